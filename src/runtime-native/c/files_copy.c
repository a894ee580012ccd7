#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "capability.h"
#include "cleanup.h"
#include "files.h"
#include "io.h"
#include "wanted.h"

/* Up to here one read and one write are cheaper than asking the kernel to copy. */
#define SMALL_SIZE (128u << 10)

/* Once a file system has refused, it is not asked again. */
static bool clone_works = true;
static bool copy_range_works = true;

static bool is_unsupported(int code) {
  return code == EOPNOTSUPP || code == ENOTTY || code == EXDEV || code == EINVAL || code == ENOSYS || code == EPERM ||
         code == ETXTBSY;
}

static int copy_by_hand(int source, int fd, const char *source_path, const char *path, struct error *error) {
  static uint8_t buffer[SMALL_SIZE];
  for (;;) {
    ssize_t got = read(source, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail(error, TREE_SOURCE, errno, "%s", source_path);
    if (got == 0)
      return 0;
    if (write_all(fd, buffer, (size_t)got) < 0)
      return fail(error, TREE_WRITE, errno, "%s", path);
  }
}

int files_copy_data(int source, int fd, const char *source_path, const char *path, struct error *error) {
  struct stat stat;
  if (fstat(source, &stat) < 0)
    return fail(error, TREE_SOURCE, errno, "%s", source_path);
  if (!S_ISREG(stat.st_mode))
    return fail(error, TREE_SOURCE, 0, "%s", source_path);
  if (clone_works && stat.st_size > 0) {
    if (ioctl(fd, FICLONE, source) == 0)
      return 0;
    if (!is_unsupported(errno))
      return fail(error, TREE_WRITE, errno, "%s", path);
    clone_works = false;
  }
  bool copied = false;
  while (copy_range_works && (copied || stat.st_size > SMALL_SIZE)) {
    ssize_t got = copy_file_range(source, NULL, fd, NULL, 1u << 30, 0);
    if (got > 0)
      copied = true;
    else if (got == 0 && copied)
      return 0;
    else if (got == 0 || (!copied && is_unsupported(errno)))
      copy_range_works = false;
    else if (errno != EINTR)
      return fail(error, TREE_WRITE, errno, "%s", path);
  }
  return copy_by_hand(source, fd, source_path, path, error);
}

int files_open_host(const char *source, struct error *error) {
  /* O_NONBLOCK: a fifo that took the file's place must not hold us. */
  int fd = open(source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  return fd < 0 ? fail(error, TREE_SOURCE, errno, "%s", source) : fd;
}

bool files_is_copied_xattr(const char *name) {
  return strcmp(name, CAPABILITY_XATTR) == 0 ||
         (strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0 && strcmp(name, WANTED_XATTR) != 0);
}

int files_copy_xattrs(int source, int fd, const char *source_path, const char *path, struct error *error) {
  static char names[XATTR_LIST_MAX];
  static char value[XATTR_SIZE_MAX];
  ssize_t size = flistxattr(source, names, sizeof names);
  if (size < 0)
    return errno == ENOTSUP ? 0 : fail(error, TREE_SOURCE, errno, "%s", source_path);
  for (const char *name = names; name < names + size; name += strlen(name) + 1) {
    if (!files_is_copied_xattr(name))
      continue;
    ssize_t got = fgetxattr(source, name, value, sizeof value);
    if (got < 0 && errno == ENODATA)
      continue;
    if (got < 0)
      return fail(error, TREE_SOURCE, errno, "%s", source_path);
    if (fsetxattr(fd, name, value, (size_t)got, 0) < 0 && errno != ENOTSUP)
      return fail(error, TREE_METADATA, errno, "%s", path);
  }
  return 0;
}
