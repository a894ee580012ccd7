/* Targets of mounts in random roots: found where the kernel finds them, made where they are missing, and all of it told. */
#include "target.h"

#include <sys/wait.h>

#include "check.h"
#include "stage.h"

#define ROOTS 150
#define PATHS 40
#define STAGE STAGE_TARGET

static const char *const words[] = {"a", "b", "c", "d", "..", ".", "link", ""};

static void random_path(char *path, size_t size) {
  path[0] = '\0';
  for (unsigned i = 0, count = 1 + draw(5); i < count; i++)
    snprintf(path + strlen(path), size - strlen(path), "/%s", words[draw(COUNT(words))]);
}

static void random_root(void) {
  for (unsigned i = 0; i < 20; i++) {
    char name[64], target[128];
    random_path(name, sizeof name);
    random_path(target, sizeof target);
    switch (draw(4)) {
    case 0:
      mkdir(name, 0755);
      break;
    case 1:
      mknod(name, S_IFREG | 0644, 0);
      break;
    default:
      /* Half of them relative. */
      if (symlink(target + draw(2), name) < 0)
        EXPECT(errno == EEXIST || errno == ENOENT || errno == ENOTDIR || errno == ELOOP, "errno %d", errno);
    }
  }
}

struct told {
  unsigned count;
  char last[PATH_MAX];
};

/* It is there by now, empty, and of the kind that was told. */
static int on_made(void *context, int parent, const struct made *made, struct error *error) {
  (void)error;
  struct told *told = context;
  struct stat status, directory;
  char above[PATH_MAX];
  told->count++;
  snprintf(told->last, sizeof told->last, "%s", made->path);
  EXPECT(lstat(made->path, &status) == 0 && S_ISDIR(status.st_mode) == made->directory, "%s", made->path);
  EXPECT(made->directory || status.st_size == 0, "%s", made->path);
  snprintf(above, sizeof above, "%s", made->path);
  *(strrchr(above, '/') + 1) = '\0';
  EXPECT(stat(above, &status) == 0 && fstat(parent, &directory) == 0 && status.st_ino == directory.st_ino, "%s", above);
  return 0;
}

static bool is_missing(const char *path) {
  struct stat status;
  return stat(path, &status) < 0 && errno == ENOENT;
}

static void try_path(int root, int proc, unsigned long *found, unsigned long *made) {
  char path[256];
  random_path(path, sizeof path);
  struct told told = {0};
  struct target_maker maker = {.root = root, .proc = proc, .uid = 7, .gid = 8, .on_made = on_made, .context = &told};
  struct error error = {0};
  bool directory = draw(2) == 0, missing = is_missing(path);
  struct stat status, by_path;
  cleanup_fd int fd = target_open(&maker, path, directory, STAGE, &error);
  EXPECT((fd < 0) == (error.stage == STAGE), "%s: stage %u", path, error.stage);
  EXPECT(missing || told.count == 0, "%s was there, and %u were made", path, told.count);
  if (fd < 0)
    return;
  EXPECT((fcntl(fd, F_GETFL) & O_PATH) != 0 && fstat(fd, &status) == 0, "errno %d", errno);
  EXPECT(S_ISDIR(status.st_mode) == directory, "%s", path);
  /*
   * This process's root is the root, so its own idea of the path is what a program in the container will find. A file may be
   * asked for, here or by a link, with a slash behind its name, by which no program finds it.
   */
  const int at = stat(path, &by_path);
  EXPECT(at == 0 || (!directory && errno == ENOTDIR), "%s: errno %d", path, errno);
  if (at < 0)
    return;
  EXPECT(by_path.st_ino == status.st_ino && by_path.st_dev == status.st_dev, "%s", path);
  if (told.count > 0) {
    /* With `..` the end may be above what was made. */
    EXPECT(stat(told.last, &by_path) == 0 && (by_path.st_ino == status.st_ino || strstr(path, "..") != NULL),
           "%s ends in %s", path, told.last);
    EXPECT(by_path.st_ino != status.st_ino || (status.st_uid == 7 && status.st_gid == 8), "%s belongs to %u:%u", path, status.st_uid, status.st_gid);
    (*made)++;
  } else {
    (*found)++;
  }
}

/* In a process of its own, whose root is the directory. */
static void check_root(unsigned skipped) {
  struct scratch scratch;
  scratch_make(&scratch);
  int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    while (skipped-- > 0)
      draw(1);
    EXPECT(chroot(scratch.path) == 0 && chdir("/") == 0, "errno %d", errno);
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    unsigned long found = 0, made = 0;
    random_root();
    for (unsigned i = 0; i < PATHS; i++)
      try_path(root, proc, &found, &made);
    /* Something of both kinds nearly always; the exit code adds up below. */
    _exit((found > 0) | (made > 0) << 1);
  }
  int status;
  EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 0, "status %x", status);
  close(proc);
  struct stat above;
  *strrchr(scratch.path, '/') = '\0';
  EXPECT(stat(scratch.path, &above) == 0 && above.st_nlink == 3, "something was made outside of the root");
  scratch_remove(&scratch);
}

int main(void) {
  confine();
  for (unsigned i = 0; i < ROOTS; i++)
    check_root(i * 977);
  printf("target: %d paths in %d roots\n", ROOTS * PATHS, ROOTS);
  return 0;
}
