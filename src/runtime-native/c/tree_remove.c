#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
  /* By descriptor: at the name there may be a link by now. fchmod(2) takes none of O_PATH, but /proc does. */
  char own[32];
  snprintf(own, sizeof own, "/proc/self/fd/%d", path);
  if (chmod(own, 0700) < 0)
    return -1;
  return tree_open_dir(parent, name);
}

/* Deeper directories are moved up to the top first, so that neither descriptors nor the stack limit the depth of a tree. */
#define MAX_DEPTH 64

struct removal {
  int top;
  unsigned moved;
  const char *path;
};

static int empty(struct removal *removal, int fd, unsigned depth, struct error *error);

/* Whether `name` was moved to the top. overlayfs cannot move every directory; those are emptied where they are. */
static bool move_up(struct removal *removal, int parent, const char *name) {
  char moved[64];
  int status;
  do {
    snprintf(moved, sizeof moved, ".tsbuild-removed-%u", removal->moved++);
    status = renameat2(parent, name, removal->top, moved, RENAME_NOREPLACE);
  } while (status < 0 && errno == EEXIST);
  return status == 0;
}

static int remove_entry(struct removal *removal, int parent, const char *name, bool maybe_file, unsigned depth,
                        struct error *error) {
  if (maybe_file) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
      return 0;
    if (errno != EISDIR && errno != EPERM)
      return fail(error, TREE_REMOVE, errno, "%s", removal->path);
  }
  if (depth >= MAX_DEPTH && move_up(removal, parent, name))
    return 0;
  int fd = open_to_empty(parent, name);
  if (fd < 0)
    return errno == ENOENT ? 0 : fail(error, TREE_REMOVE, errno, "%s", removal->path);
  if (empty(removal, fd, depth + 1, error) < 0)
    return -1;
  if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
    return fail(error, TREE_REMOVE, errno, "%s", removal->path);
  return 0;
}

/* Removes everything in the directory `fd`, which it closes. */
static int empty(struct removal *removal, int fd, unsigned depth, struct error *error) {
  DIR *dir = fdopendir(fd);
  if (dir == NULL) {
    int code = errno;
    close(fd);
    return fail(error, TREE_REMOVE, code, "%s", removal->path);
  }
  int status = 0;
  struct dirent *entry;
  while (status == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
    if (!is_dots(entry->d_name))
      status = remove_entry(removal, dirfd(dir), entry->d_name, entry->d_type != DT_DIR, depth, error);
  }
  if (status == 0 && errno != 0)
    status = fail(error, TREE_REMOVE, errno, "%s", removal->path);
  closedir(dir);
  return status;
}

int tree_remove(int parent, const char *name, const char *path, struct error *error) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
    return 0;
  if (errno != EISDIR && errno != EPERM)
    return fail(error, TREE_REMOVE, errno, "%s", path);
  cleanup_fd int top = open_to_empty(parent, name);
  if (top < 0)
    return errno == ENOENT ? 0 : fail(error, TREE_REMOVE, errno, "%s", path);
  struct removal removal = {.top = top, .path = path};
  /* Again as long as there is something left: what was moved up meanwhile. */
  for (;;) {
    int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
      return fail(error, TREE_REMOVE, errno, "%s", path);
    unsigned moved = removal.moved;
    if (empty(&removal, fd, 1, error) < 0)
      return -1;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
      return 0;
    if (errno != ENOTEMPTY || moved == removal.moved)
      return fail(error, TREE_REMOVE, errno, "%s", path);
  }
}
