#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "syscalls.h"
#include "tree.h"

#define MAX_LINKS 40
/* Of the recursion below; a path has at most PATH_MAX / 2 names, but each link on the way leads to another path. */
#define MAX_DEPTH 4096
#define INSIDE (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

void tree_init(struct tree *tree, int root) { *tree = (struct tree){.root = root, .parent = -1}; }

void tree_forget(struct tree *tree) { tree->stale = true; }

static void close_parent(struct tree *tree) {
  if (tree->parent >= 0)
    close(tree->parent);
  free(tree->parent_path);
  tree->parent = -1;
  tree->parent_path = NULL;
  tree->stale = false;
}

void tree_close(struct tree *tree) {
  close_parent(tree);
  if (tree->root >= 0)
    close(tree->root);
  tree->root = -1;
}

int tree_open_dir(int parent, const char *name) {
  return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* What of `path` comes before its last name, without the slash between them: a copy. `*name` points into `path`. */
static char *split(const char *path, const char **name) {
  const char *end = path + strlen(path);
  while (end > path && end[-1] == '/')
    end--;
  const char *start = end;
  while (start > path && start[-1] != '/')
    start--;
  *name = *start == '\0' ? "." : start;
  while (start > path && start[-1] == '/')
    start--;
  return strndup(path, (size_t)(start - path));
}

/* Joins what `link` in directory `dir` points to with the directory. */
static char *join_target(const char *dir, const char *target) {
  char *joined;
  if (target[0] == '/')
    joined = strdup(target);
  else if (asprintf(&joined, "%s/%s", dir, target) < 0)
    joined = NULL;
  size_t length = joined == NULL ? 0 : strlen(joined);
  while (length > 0 && joined[length - 1] == '/')
    joined[--length] = '\0';
  return joined;
}

static char *read_link(int parent, const char *name) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
  if (length < 0)
    return NULL;
  target[length] = '\0';
  return strdup(target);
}

static int open_inside(int root, const char *path) {
  return sys_openat2(root, *path == '\0' ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, INSIDE);
}

static int make_parent(int parent, const char *name) {
  if (mkdirat(parent, name, 0755) < 0)
    return -1;
  int fd = tree_open_dir(parent, name);
  /* A parent with the setgid bit hands on its group and the bit. */
  if (fd >= 0 && (fchown(fd, 0, 0) < 0 || fchmod(fd, 0755) < 0)) {
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
  }
  return fd;
}

/* Opens the directory at `path`, making what is missing, also where a symbolic link points to nothing. -1 with errno. */
static int open_or_make(int root, const char *path, int links, int depth) {
  int fd = open_inside(root, path);
  if (fd >= 0 || errno != ENOENT)
    return fd;
  if (links == 0 || depth == MAX_DEPTH) {
    errno = ELOOP;
    return -1;
  }
  const char *name;
  cleanup_free char *dir = split(path, &name);
  cleanup_free char *last = strdup(name);
  if (dir == NULL || last == NULL)
    return -1;
  char *slash = strchr(last, '/');
  if (slash != NULL)
    *slash = '\0';
  cleanup_fd int parent = open_or_make(root, dir, links, depth + 1);
  if (parent < 0)
    return -1;
  if (strcmp(last, ".") == 0)
    return steal_fd(&parent);
  if (strcmp(last, "..") == 0)
    return open_inside(root, path);
  fd = make_parent(parent, last);
  if (fd >= 0 || errno != EEXIST)
    return fd;
  cleanup_free char *target = read_link(parent, last);
  if (target == NULL)
    return -1;
  cleanup_free char *through = join_target(dir, target);
  return through == NULL ? -1 : open_or_make(root, through, links - 1, depth + 1);
}

int tree_parent(struct tree *tree, const char *path, bool create, struct place *place, struct error *error) {
  /* As the last name, "/" would be the host's root, and "link/" what the link leads to (path_resolution(7)). */
  size_t length = strlen(path);
  if (length > 0 && path[length - 1] == '/')
    return fail(error, TREE_PROTOCOL, 0, "the path \"%s\" ends with a slash", path);
  const char *name;
  cleanup_free char *dir = split(path, &name);
  if (dir != NULL && (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)) {
    /* Only the kernel may resolve "..": as the last name it would lead out of the root. */
    free(dir);
    dir = strdup(path);
    name = ".";
  }
  if (dir == NULL)
    return fail(error, TREE_PARENT, ENOMEM, "%s", path);
  if (tree->parent < 0 || tree->stale || strcmp(tree->parent_path, dir) != 0) {
    close_parent(tree);
    cleanup_fd int fd = create ? open_or_make(tree->root, dir, MAX_LINKS, 0) : open_inside(tree->root, dir);
    if (fd < 0 && !create && (errno == ENOENT || errno == ENOTDIR)) {
      *place = (struct place){.parent = -1, .name = name};
      return 0;
    }
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) < 0)
      return fail(error, TREE_PARENT, errno, "%s", path);
    tree->parent = steal_fd(&fd);
    tree->parent_path = steal_pointer(&dir);
    tree->parent_setgid = (stat.st_mode & S_ISGID) != 0;
  }
  *place = (struct place){.parent = tree->parent, .parent_setgid = tree->parent_setgid, .name = name};
  return 0;
}

int tree_follow(struct tree *tree, const char *path, char **resolved, struct place *place, struct error *error) {
  cleanup_free char *current = strdup(path);
  for (int links = 0; current != NULL && links <= MAX_LINKS; links++) {
    if (tree_parent(tree, current, true, place, error) < 0)
      return -1;
    cleanup_free char *target = read_link(place->parent, place->name);
    if (target == NULL) {
      /* EINVAL: it is there and not a link. */
      if (errno != ENOENT && errno != EINVAL)
        return fail(error, TREE_PARENT, errno, "%s", path);
      *resolved = steal_pointer(&current);
      return 0;
    }
    char *next = join_target(tree->parent_path, target);
    free(current);
    current = next;
  }
  return fail(error, TREE_PARENT, current == NULL ? ENOMEM : ELOOP, "%s", path);
}
