#include "stubs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "syscalls.h"

/* A description can ask for a million directories; what is beyond this stays, as if the image had it. */
#define STUBS_MAX 2048
/* Paths come without links from the kernel; a link found in one now was put there later, and is not followed. */
#define EXACTLY (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)

void stubs_add(struct stubs *stubs, const struct report *report) {
  struct stat status;
  if (stubs->count >= STUBS_MAX)
    return;
  cleanup_fd int fd = sys_openat2(stubs->root, report->made.path + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, EXACTLY);
  if (fd < 0 || fstat(fd, &status) < 0)
    return;
  struct stub *grown = realloc(stubs->items, (stubs->count + 1) * sizeof *grown);
  if (grown == NULL)
    return;
  stubs->items = grown;
  stubs->items[stubs->count++] = (struct stub){.report = *report, .device = status.st_dev, .inode = status.st_ino};
}

static bool is_same(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static void remove_stub(const struct stubs *stubs, struct stub *stub) {
  char *path = stub->report.made.path;
  char *name = strrchr(path, '/');
  *name++ = '\0';
  cleanup_fd int parent = sys_openat2(stubs->root, path[0] == '\0' ? "." : path + 1,
                                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, EXACTLY);
  struct stat before, status;
  if (parent < 0 || fstat(parent, &before) < 0 || fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
    return;
  if (status.st_dev != stub->device || status.st_ino != stub->inode || (S_ISREG(status.st_mode) && status.st_size > 0))
    return;
  if (unlinkat(parent, name, stub->report.made.directory ? AT_REMOVEDIR : 0) < 0)
    return;
  bool untouched = is_same(&before.st_mtim, &stub->report.made.parent_after);
  struct timespec times[2] = {stub->report.made.parent_atime,
                              untouched ? stub->report.made.parent_before : before.st_mtim};
  futimens(parent, times);
}

void stubs_remove(struct stubs *stubs) {
  while (stubs->count > 0)
    remove_stub(stubs, &stubs->items[--stubs->count]);
  free(stubs->items);
  stubs->items = NULL;
}
