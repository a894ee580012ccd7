#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "tree.h"

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* A directory that we may not read is made readable first: as it is going to be removed, its mode does not matter. */
static int open_to_empty(int parent, const char *name) {
  int fd = tree_open_dir(parent, name);
  if (fd >= 0 || errno != EACCES)
    return fd;
  cleanup_fd int path = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (path < 0)
    return -1;
  if (fchmodat(parent, name, 0700, 0) < 0)
    return -1;
  return tree_open_dir(parent, name);
}

static int empty(int fd, const char *path, struct error *error);

static int remove_entry(int parent, const char *name, bool maybe_file, const char *path, struct error *error) {
  if (maybe_file) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
      return 0;
    if (errno != EISDIR && errno != EPERM)
      return fail(error, TREE_REMOVE, errno, "%s", path);
  }
  int fd = open_to_empty(parent, name);
  if (fd < 0)
    return errno == ENOENT ? 0 : fail(error, TREE_REMOVE, errno, "%s", path);
  if (empty(fd, path, error) < 0)
    return -1;
  if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
    return fail(error, TREE_REMOVE, errno, "%s", path);
  return 0;
}

/* Removes everything in the directory `fd`, which it closes. A tree deeper than our descriptors is a failure, never a crash. */
static int empty(int fd, const char *path, struct error *error) {
  DIR *dir = fdopendir(fd);
  if (dir == NULL) {
    int code = errno;
    close(fd);
    return fail(error, TREE_REMOVE, code, "%s", path);
  }
  int status = 0;
  struct dirent *entry;
  while (status == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
    if (!is_dots(entry->d_name))
      status = remove_entry(dirfd(dir), entry->d_name, entry->d_type != DT_DIR, path, error);
  }
  if (status == 0 && errno != 0)
    status = fail(error, TREE_REMOVE, errno, "%s", path);
  closedir(dir);
  return status;
}

int tree_remove(int parent, const char *name, const char *path, struct error *error) {
  return remove_entry(parent, name, true, path, error);
}
