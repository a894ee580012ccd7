#include "target.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "syscalls.h"

#define LINKS_MAX 40
#define INSIDE (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

static int check_kind(int fd, bool directory) {
  struct stat status;
  if (fstat(fd, &status) < 0)
    return -1;
  if (S_ISDIR(status.st_mode) == directory)
    return 0;
  errno = directory ? ENOTDIR : EISDIR;
  return -1;
}

/* The path of an open file or directory as seen from the process's root. */
static ssize_t path_of(const struct target_maker *maker, int fd, char *path, size_t size) {
  char link[32];
  snprintf(link, sizeof link, "self/fd/%d", fd);
  ssize_t length = readlinkat(maker->proc, link, path, size);
  if (length >= 0 && ((size_t)length >= size || path[0] != '/')) {
    errno = ENAMETOOLONG;
    return -1;
  }
  if (length >= 0)
    path[length] = '\0';
  return length;
}

/* The same as seen from the container's root, which may be elsewhere. */
int target_path(const struct target_maker *maker, int fd, char *path, size_t size) {
  char root[PATH_MAX];
  ssize_t length = path_of(maker, fd, path, size), above = path_of(maker, maker->root, root, sizeof root);
  if (length < 0 || above < 0)
    return -1;
  if (above == 1)
    return 0;
  if (strncmp(path, root, (size_t)above) != 0 || (path[above] != '/' && path[above] != '\0')) {
    errno = EXDEV;
    return -1;
  }
  memmove(path, path + above, (size_t)(length - above) + 1);
  if (path[0] == '\0')
    memcpy(path, "/", 2);
  return 0;
}

/* Replaces `path` by where the dangling link `name` in the directory `parent` points to, and then `rest`. */
static int follow_dangling(const struct target_maker *maker, int parent, const char *name, const char *rest, char *path,
                           size_t size) {
  char link[PATH_MAX], base[PATH_MAX], joined[PATH_MAX];
  ssize_t length = readlinkat(parent, name, link, sizeof link);
  if (length < 0)
    return -1;
  if (length == 0 || (size_t)length >= sizeof link) {
    errno = ENAMETOOLONG;
    return -1;
  }
  link[length] = '\0';
  base[0] = '\0';
  if (link[0] != '/' && target_path(maker, parent, base, sizeof base) < 0)
    return -1;
  int written = snprintf(joined, sizeof joined, "%s/%s/%s", base, link, rest);
  if (written < 0 || (size_t)written >= sizeof joined || (size_t)written >= size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(path, joined, (size_t)written + 1);
  return 0;
}

/* Makes `name` in `parent`, owned and reported; returns its descriptor, -1 with errno, or -2 with `error` filled. */
static int make(const struct target_maker *maker, int parent, const char *name, bool directory, struct error *error) {
  struct stat before, after;
  if (fstat(parent, &before) < 0)
    return -1;
  if (directory) {
    if (mkdirat(parent, name, 0755) < 0)
      return -1;
  } else {
    cleanup_fd int file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
    if (file < 0)
      return -1;
  }
  cleanup_fd int fd =
      sys_openat2(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (fd < 0 || check_kind(fd, directory) < 0)
    return -1;
  if ((maker->uid != 0 || maker->gid != 0) && fchownat(fd, "", maker->uid, maker->gid, AT_EMPTY_PATH) < 0)
    return -1;
  if (maker->on_made != NULL) {
    char path[PATH_MAX];
    if (fstat(parent, &after) < 0 || target_path(maker, fd, path, sizeof path) < 0)
      return -1;
    struct made made = {.path = path,
                        .directory = directory,
                        .parent_before = before.st_mtim,
                        .parent_after = after.st_mtim,
                        .parent_atime = before.st_atim};
    if (maker->on_made(maker->context, parent, &made, error) < 0)
      return -2;
  }
  return steal_fd(&fd);
}

/*
 * One attempt at a path whose end does not exist: walks part by part, each opened inside the root from where the walk
 * is, and makes the missing ones. A dangling link changes `path`, and the walk must start again: *again is set.
 */
static int walk(const struct target_maker *maker, char *path, size_t size, bool directory, bool *again,
                struct error *error) {
  char parts[PATH_MAX];
  snprintf(parts, sizeof parts, "%s", path);
  cleanup_fd int at = sys_openat2(maker->root, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, INSIDE);
  if (at < 0)
    return -1;
  size_t offset = strspn(parts, "/");
  while (parts[offset] != '\0') {
    char *name = parts + offset;
    size_t length = strcspn(name, "/");
    size_t next = offset + length + strspn(name + length, "/");
    bool last = parts[next] == '\0';
    bool as_directory = !last || directory;

    /* The whole prefix from the root, so that links in it are resolved against the root. */
    char prefix[PATH_MAX];
    memcpy(prefix, parts, offset + length);
    prefix[offset + length] = '\0';
    name[length] = '\0';
    int found = sys_openat2(maker->root, prefix, O_PATH | O_CLOEXEC, 0, INSIDE);
    if (found < 0 && errno == ENOENT) {
      found = make(maker, at, name, as_directory, error);
      if (found == -2)
        return -2;
      if (found < 0 && errno == EEXIST) {
        if (follow_dangling(maker, at, name, last ? "" : parts + next, path, size) < 0)
          return -1;
        *again = true;
        return -1;
      }
    }
    if (found < 0)
      return -1;
    close(at);
    at = found;
    if (check_kind(at, as_directory) < 0)
      return -1;
    if (!last)
      name[length] = '/';
    offset = next;
  }
  return steal_fd(&at);
}

int target_open(const struct target_maker *maker, const char *path, bool directory, unsigned stage,
                struct error *error) {
  cleanup_fd int found = sys_openat2(maker->root, path, O_PATH | O_CLOEXEC, 0, INSIDE);
  if (found >= 0) {
    if (check_kind(found, directory) < 0)
      return fail(error, stage, errno, "%s", path);
    return steal_fd(&found);
  }
  if (errno != ENOENT)
    return fail(error, stage, errno, "%s", path);

  char current[PATH_MAX];
  if (snprintf(current, sizeof current, "%s", path) >= (int)sizeof current)
    return fail(error, stage, ENAMETOOLONG, "%s", path);
  for (int links = 0; links < LINKS_MAX; links++) {
    bool again = false;
    int fd = walk(maker, current, sizeof current, directory, &again, error);
    if (fd >= 0)
      return fd;
    if (fd == -2)
      return -1;
    if (!again)
      return fail(error, stage, errno, "%s", path);
  }
  return fail(error, stage, ELOOP, "%s", path);
}
