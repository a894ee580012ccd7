/* What checks and fuzz targets share: random numbers that are the same in every run, expectations, and scratch directories. */
#ifndef TSBUILD_CHECK_H
#define TSBUILD_CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "tree.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Stops the program, so that a fuzzer sees it too, with what was expected and the values in question. */
#define EXPECT(condition, ...)                                                                                         \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "%s:%d: expected %s: ", __FILE__, __LINE__, #condition);                                         \
      fprintf(stderr, __VA_ARGS__);                                                                                    \
      fputc('\n', stderr);                                                                                             \
      abort();                                                                                                         \
    }                                                                                                                  \
  } while (0)

/* xorshift64. */
static inline uint32_t draw(uint32_t below) {
  static uint64_t state = 0x9e3779b97f4a7c15;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32) % below;
}

static inline void *must(void *pointer) {
  EXPECT(pointer != NULL, "memory");
  return pointer;
}

/* A copy of exactly this size, so that the sanitizer sees a read behind its end. The caller frees it. */
static inline void *exact_copy(const void *data, size_t size) {
  void *copy = must(malloc(size > 0 ? size : 1));
  if (size > 0)
    memcpy(copy, data, size);
  return copy;
}

/* A file in memory with this content, at its start. The caller closes it. */
static inline int memory_file(const void *data, size_t size) {
  int fd = memfd_create("check", MFD_CLOEXEC);
  EXPECT(fd >= 0 && write_all(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0, "errno %d", errno);
  return fd;
}

/* Changes up to four places of `bytes`: a bit, a byte, a cut, or a piece again somewhere else. */
static inline void mutate(uint8_t *bytes, size_t *size) {
  for (uint32_t changes = 1 + draw(4); changes > 0 && *size > 0; changes--) {
    size_t at = draw((uint32_t)*size);
    switch (draw(4)) {
    case 0:
      bytes[at] ^= (uint8_t)(1u << draw(8));
      break;
    case 1:
      bytes[at] = (uint8_t)draw(256);
      break;
    case 2:
      *size = at;
      break;
    default: {
      size_t from = draw((uint32_t)*size), length = draw(64);
      if (from + length <= *size && at + length <= *size)
        memmove(bytes + at, bytes + from, length);
    }
    }
  }
}

static inline bool exists(const char *path) { return access(path, F_OK) == 0; }

/* Set once nothing of the machine is in reach. */
static bool is_confined;

/* Goes on in a child and ends like it. */
static inline void go_on_in_child(void) {
  fflush(stdout);
  pid_t pid = fork();
  EXPECT(pid >= 0, "errno %d", errno);
  if (pid == 0)
    return;
  int status = 0;
  EXPECT(waitpid(pid, &status, 0) == pid, "errno %d", errno);
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/*
 * To be called first by every program that makes or removes entries at paths that it draws: goes on in a process whose whole
 * world is an empty file system in memory, so that an operation that leaves its root finds nothing of the machine. Returns
 * there only, and only when that is certain; the caller's process ends like it. A check must never trust what it checks.
 */
static inline void confine(void) {
  EXPECT(unshare(CLONE_NEWNS | CLONE_NEWPID) == 0, "confinement needs root: errno %d", errno);
  go_on_in_child();
  struct stat host, own;
  EXPECT(stat("/", &host) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "errno %d", errno);
  EXPECT(mount("check", "/tmp", "tmpfs", MS_NODEV | MS_NOSUID, "mode=0755") == 0 && chdir("/tmp") == 0, "errno %d", errno);
  EXPECT(mkdir("tmp", 0755) == 0 && mkdir("proc", 0755) == 0, "errno %d", errno);
  EXPECT(mount("proc", "proc", "proc", 0, NULL) == 0, "errno %d", errno);
  EXPECT(syscall(__NR_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0, "errno %d", errno);
  EXPECT(stat("/", &own) == 0 && own.st_dev != host.st_dev, "the root is still the machine's");
  EXPECT(!exists("/etc") && !exists("/usr") && !exists("/bin") && !exists("/dev"), "the machine is still in reach");
  /* A descriptor on a directory of the machine is a way back. */
  EXPECT(syscall(__NR_close_range, 3, ~0U, 0) == 0, "errno %d", errno);
  is_confined = true;
  /* The first process of a namespace has signals ignored, and abort(3) would go on. */
  go_on_in_child();
}

/* A new directory, removed by scratch_remove. */
struct scratch {
  char top[64];
  /* Some levels below `top`, so that what leaves it through `..` still is inside of `top`. */
  char path[96];
  int fd;
};

static inline void scratch_make(struct scratch *scratch) {
  EXPECT(is_confined, "not confined");
  snprintf(scratch->top, sizeof scratch->top, "/tmp/tsbuild-check-XXXXXX");
  EXPECT(mkdtemp(scratch->top) != NULL, "errno %d", errno);
  static const char *const levels[] = {"/a", "/a/b", "/a/b/c", "/a/b/c/root"};
  for (size_t i = 0; i < COUNT(levels); i++) {
    snprintf(scratch->path, sizeof scratch->path, "%s%s", scratch->top, levels[i]);
    EXPECT(mkdir(scratch->path, 0755) == 0, "errno %d", errno);
  }
  scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT(scratch->fd >= 0, "errno %d", errno);
}

static inline void scratch_remove(struct scratch *scratch) {
  struct error error;
  close(scratch->fd);
  EXPECT(tree_remove(AT_FDCWD, scratch->top, scratch->top, &error) == 0, "%s", error.detail);
}

/* Writes a file below `dir`, replacing its content. */
static inline void write_file_at(int dir, const char *name, const void *data, size_t size) {
  int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  EXPECT(fd >= 0 && write_all(fd, data, size) == 0, "%s: errno %d", name, errno);
  close(fd);
}

#endif
