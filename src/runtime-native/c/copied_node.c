#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "capability.h"
#include "cleanup.h"
#include "copied_tree.h"
#include "files.h"
#include "io.h"
#include "layer_set.h"
#include "syscalls.h"

int copied_identify(int parent, const char *name, struct copied_identity *identity) {
  struct statx status;
  if (statx(parent, name, AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC, STATX_INO | STATX_BTIME | STATX_CTIME, &status) < 0)
    return -1;
  *identity = (struct copied_identity){.inode = status.stx_ino, .changed = status.stx_ctime};
  /* The number alone may be that of an inode that is gone. */
  if ((status.stx_mask & STATX_BTIME) != 0)
    identity->born = status.stx_btime;
  return 0;
}

static bool is_at_once(const struct statx_timestamp *a, const struct statx_timestamp *b) {
  return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool copied_is_same(const struct copied_identity *a, const struct copied_identity *b) {
  return a->inode == b->inode && is_at_once(&a->born, &b->born);
}

bool copied_is_unchanged(const struct copied_identity *a, const struct copied_identity *b) {
  return copied_is_same(a, b) && is_at_once(&a->changed, &b->changed);
}

/* Others are the file system's own business. */
static bool is_copied(const char *name) {
  if (strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0)
    return false;
  return strcmp(name, CAPABILITY_XATTR) == 0 || strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0 ||
         strncmp(name, "system.posix_acl_", 17) == 0;
}

static int copy_attributes(int from, int to) {
  static char names[XATTR_LIST_MAX];
  static char value[XATTR_SIZE_MAX];
  /* Those of a directory in a lower layer, which the one above replaces. */
  ssize_t size = flistxattr(to, names, sizeof names);
  for (const char *name = names; name < names + size; name += strlen(name) + 1) {
    if (is_copied(name) && fremovexattr(to, name) < 0)
      return -1;
  }
  size = flistxattr(from, names, sizeof names);
  if (size < 0)
    return errno == ENOTSUP ? 0 : -1;
  for (const char *name = names; name < names + size; name += strlen(name) + 1) {
    if (!is_copied(name))
      continue;
    const ssize_t got = fgetxattr(from, name, value, sizeof value);
    if (got < 0 || fsetxattr(to, name, value, (size_t)got, 0) < 0)
      return -1;
  }
  return 0;
}

int copied_metadata(int from, int to, const struct stat *stat) {
  /* The owner first: changing it clears bits of the mode and capabilities. */
  if (fchown(to, stat->st_uid, stat->st_gid) < 0 || fchmod(to, stat->st_mode & 07777) < 0)
    return -1;
  return copy_attributes(from, to);
}

static bool is_like(const struct stat *one, const struct stat *other) {
  return one->st_mode == other->st_mode && one->st_uid == other->st_uid && one->st_gid == other->st_gid &&
         one->st_size == other->st_size && one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
         one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

/* Whether `other` has all attributes that `one` has. */
static int has_attributes_of(int one, int other) {
  static char names[XATTR_LIST_MAX];
  static char values[2][XATTR_SIZE_MAX];
  const ssize_t size = flistxattr(one, names, sizeof names);
  if (size < 0)
    return errno == ENOTSUP ? 1 : -1;
  for (const char *name = names; name < names + size; name += strlen(name) + 1) {
    if (!is_copied(name))
      continue;
    const ssize_t got = fgetxattr(one, name, values[0], sizeof values[0]);
    if (got < 0)
      return -1;
    if (fgetxattr(other, name, values[1], sizeof values[1]) != got || memcmp(values[0], values[1], (size_t)got) != 0)
      return 0;
  }
  return 1;
}

static int has_content_of(int one, int other) {
  static char blocks[2][1 << 16];
  for (;;) {
    const ssize_t size = read_all(one, blocks[0], sizeof blocks[0]);
    if (size < 0 || read_all(other, blocks[1], sizeof blocks[1]) != size)
      return size < 0 ? -1 : 0;
    if (size == 0)
      return 1;
    if (memcmp(blocks[0], blocks[1], (size_t)size) != 0)
      return 0;
  }
}

int copied_is_equal(int one, int other) {
  struct stat stats[2];
  if (fstat(one, &stats[0]) < 0 || fstat(other, &stats[1]) < 0)
    return -1;
  if (!is_like(&stats[0], &stats[1]))
    return 0;
  int result = has_attributes_of(one, other);
  if (result == 1)
    result = has_attributes_of(other, one);
  return result == 1 ? has_content_of(one, other) : result;
}

static int copy_file(int parent, const char *name, const struct stat *stat, int to, const char *path, struct error *error) {
  cleanup_fd int source = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (source < 0)
    return fail(error, TREE_SOURCE, errno, "%s", path);
  cleanup_fd int fd = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail(error, TREE_CREATE, errno, "%s", path);
  const struct timespec times[2] = {stat->st_atim, stat->st_mtim};
  if (files_copy_data(source, fd, path, path, error) < 0)
    return -1;
  return copied_metadata(source, fd, stat) < 0 || futimens(fd, times) < 0 ? fail(error, TREE_METADATA, errno, "%s", path)
                                                                         : 0;
}

int copied_node(int parent, const char *name, const struct stat *stat, int to, const char *path, struct error *error) {
  if (S_ISREG(stat->st_mode))
    return copy_file(parent, name, stat, to, path, error);
  if (S_ISLNK(stat->st_mode)) {
    char target[PATH_MAX];
    const ssize_t size = readlinkat(parent, name, target, sizeof target - 1);
    if (size < 0)
      return fail(error, TREE_SOURCE, errno, "%s", path);
    target[size] = '\0';
    if (symlinkat(target, to, name) < 0)
      return fail(error, TREE_CREATE, errno, "%s", path);
  } else if (mknodat(to, name, stat->st_mode, stat->st_rdev) < 0 || fchmodat(to, name, stat->st_mode & 07777, 0) < 0) {
    return fail(error, TREE_CREATE, errno, "%s", path);
  }
  const struct timespec times[2] = {stat->st_atim, stat->st_mtim};
  if (fchownat(to, name, stat->st_uid, stat->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
      utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(error, TREE_METADATA, errno, "%s", path);
  return 0;
}

int copied_parent(int root, const char *path, const char **name) {
  const char *slash = strrchr(path, '/');
  char parent[PATH_MAX + NAME_MAX];
  *name = slash == NULL ? path : slash + 1;
  const size_t size = slash == NULL ? 1 : (size_t)(slash - path);
  if (size >= sizeof parent) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(parent, slash == NULL ? "." : path, size);
  parent[size] = '\0';
  return sys_openat2(root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, LAYER_EXACTLY);
}
