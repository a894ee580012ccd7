#include "own_binary.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bare.h"
#include "syscalls.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define NAME "tsbuild-runtime"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/*
 * All of this also runs before the C library is set up: without errno, thread-local variables, or any of its functions.
 */

#define OWN "/proc/self/exe"

/* A mount that holds one file and is attached nowhere calls it the root; no other program can have that name. */
static bool is_mounted_alone(int fd) {
  struct statfs status;
  char name[2];
  return bare_syscall(__NR_readlinkat, AT_FDCWD, (long)OWN, (long)name, sizeof name, 0) == 1 && name[0] == '/' &&
         bare_syscall(__NR_fstatfs, fd, (long)&status, 0, 0, 0) == 0 && (status.f_flags & ST_RDONLY) != 0;
}

static bool is_sealed(int fd) {
  long seals = bare_syscall(__NR_fcntl, fd, F_GET_SEALS, 0, 0, 0);
  return (seals >= 0 && (seals & SEALS) == SEALS) || is_mounted_alone(fd);
}

/* The file again, in a mount of its own that is read-only and attached nowhere; or a negative number. */
static int mount_alone(void) {
  const struct sys_mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
  int mount = (int)bare_syscall(__NR_open_tree, AT_FDCWD, (long)OWN, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);
  if (mount >= 0 && bare_syscall(__NR_mount_setattr, mount, (long)"", AT_EMPTY_PATH, (long)&attributes,
                                 sizeof attributes) == 0)
    return mount;
  if (mount >= 0)
    bare_syscall(__NR_close, mount, 0, 0, 0, 0);
  return -1;
}

/* A sealed copy of a file in memory, or a negative number. */
static int make_copy(int from) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  /* Kernels before 6.3 do not know the flag and need none. */
  int copy = (int)bare_syscall(__NR_memfd_create, (long)NAME, flags | MFD_EXEC, 0, 0, 0);
  if (copy < 0)
    copy = (int)bare_syscall(__NR_memfd_create, (long)NAME, flags, 0, 0, 0);
  if (copy < 0)
    return -1;
  long sent;
  do
    sent = bare_syscall(__NR_sendfile, copy, from, 0, 1 << 30, 0);
  while (sent > 0);
  if (sent == 0 && bare_syscall(__NR_fcntl, copy, F_ADD_SEALS, SEALS, 0, 0) == 0)
    return copy;
  bare_syscall(__NR_close, copy, 0, 0, 0, 0);
  return -1;
}

static void seal(enum own_binary_seal how, char **argv, char **environment) {
  int own = (int)bare_syscall(__NR_openat, AT_FDCWD, (long)OWN, O_RDONLY | O_CLOEXEC, 0, 0);
  if (own < 0)
    return;
  if (is_sealed(own)) {
    /* The kernel names a program without a path by its descriptor. */
    bare_syscall(__NR_prctl, PR_SET_NAME, (long)NAME, 0, 0, 0);
  } else {
    int sealed = how == OWN_BINARY_MOUNT ? mount_alone() : -1;
    if (sealed < 0)
      sealed = make_copy(own);
    if (sealed >= 0) {
      bare_syscall(__NR_execveat, sealed, (long)"", (long)argv, (long)environment, AT_EMPTY_PATH);
      bare_syscall(__NR_close, sealed, 0, 0, 0, 0);
    }
  }
  bare_syscall(__NR_close, own, 0, 0, 0, 0);
}

void own_binary_seal(enum own_binary_seal how, char **argv) { seal(how, argv, environ); }

static bool is_word(const char *word, const char *wanted) {
  while (*word != '\0' && *word == *wanted)
    word++, wanted++;
  return *word == *wanted;
}

void own_binary_start(long *stack) {
  static const struct {
    char word[10];
    unsigned char how;
  } commands[] = {
      {"serve", OWN_BINARY_COPY},  {"container", OWN_BINARY_COPY}, {"run", OWN_BINARY_MOUNT},
      {"create", OWN_BINARY_MOUNT}, {"exec", OWN_BINARY_MOUNT},
  };
  char **argv = (char **)(stack + 1), **environment = argv + stack[0] + 1;
  for (long i = 1; i < stack[0]; i++) {
    for (unsigned j = 0; j < sizeof commands / sizeof commands[0]; j++) {
      if (is_word(argv[i], commands[j].word)) {
        seal(commands[j].how, argv, environment);
        return;
      }
    }
  }
}
