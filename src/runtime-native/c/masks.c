/* Masked and read-only paths; see mounts.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "mount_fs.h"
#include "mounts.h"
#include "stage.h"
#include "syscalls.h"

struct masker {
  const struct mount_set *set;
  int root;
  /* One empty file system for all directories; its first use attaches it, the others are copies. */
  int empty;
  bool attached;
};

/* What follows `prefix` in the path, NULL when it does not start with it. */
static const char *below(const char *path, const char *prefix) {
  size_t length = strlen(prefix);
  return strncmp(path, prefix, length) == 0 && path[length] != '\0' ? path + length : NULL;
}

static int open_own(int fs, const char *path) {
  return sys_openat2(fs, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0,
                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/*
 * What is in proc and sys is found on that file system itself, by no link: nothing that the container can influence
 * decides what is covered. A link there, or a mount, is followed inside the root, as is any other path.
 */
static int open_target(const struct masker *masker, const char *path) {
  const char *rest;
  int target = -1;
  errno = ELOOP;
  if ((rest = below(path, "/proc/")) != NULL)
    target = open_own(masker->set->proc, rest);
  else if (masker->set->sys >= 0 && (rest = below(path, "/sys/")) != NULL)
    target = open_own(masker->set->sys, rest);
  if (target >= 0 || (errno != ELOOP && errno != EXDEV))
    return target;
  return sys_openat2(masker->root, path, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

static int mask_directory(struct masker *masker, int target) {
  if (masker->empty < 0) {
    static const struct fs_option options[] = {{"size", "4k"}, {"nr_inodes", "1"}, {"mode", "755"}, {NULL, NULL}};
    masker->empty = mount_fs_open("tmpfs", "tmpfs", options, MOUNT_ATTR_RDONLY);
    if (masker->empty < 0)
      return -1;
  }
  if (!masker->attached) {
    masker->attached = true;
    return mount_attach(masker->empty, target);
  }
  cleanup_fd int copy = mount_clone(masker->empty, false);
  return copy < 0 ? -1 : mount_attach(copy, target);
}

static int mask_file(const struct masker *masker, int target) {
  cleanup_fd int copy = mount_clone(masker->set->null, false);
  return copy < 0 ? -1 : mount_attach(copy, target);
}

/* The copy keeps the flags of what it is of, and what is mounted below. */
static int make_readonly(struct masker *masker, int target) {
  (void)masker;
  cleanup_fd int copy = mount_clone(target, true);
  return copy < 0 || mount_set_flags(copy, MOUNT_ATTR_RDONLY, false) < 0 ? -1 : mount_attach(copy, target);
}

static int mask(struct masker *masker, int target) {
  struct stat status;
  if (fstat(target, &status) < 0)
    return -1;
  return S_ISDIR(status.st_mode) ? mask_directory(masker, target) : mask_file(masker, target);
}

/* Paths that are not there are skipped: which ones are depends on the kernel. */
static int cover(struct masker *masker, const struct string_list *paths,
                 int (*with)(struct masker *masker, int target), struct error *error) {
  for (size_t i = 0; i < paths->count; i++) {
    cleanup_fd int target = open_target(masker, paths->items[i]);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
      continue;
    if (target < 0 || with(masker, target) < 0)
      return fail(error, STAGE_MASK, errno, "%s", paths->items[i]);
  }
  return 0;
}

int mounts_mask(const struct container_spec *spec, const struct mount_set *set, int root, struct error *error) {
  struct masker masker = {.set = set, .root = root, .empty = -1};
  int result = cover(&masker, &spec->readonly_paths, make_readonly, error);
  if (result == 0)
    result = cover(&masker, &spec->masked_paths, mask, error);
  cleanup_fd_at(&masker.empty);
  return result;
}
