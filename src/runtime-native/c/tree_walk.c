#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "overlay.h"
#include "tree.h"
#include "userns.h"
#include "wanted.h"

/* The names of one directory, each terminated, in one block. */
struct names {
  char *text;
  size_t used;
  size_t capacity;
  const char **sorted;
  size_t count;
};

struct walk {
  tree_visit *visit;
  void *context;
  char *path;
  size_t path_size;
  size_t path_capacity;
  /* In a user namespace. */
  bool reads_wanted;
  struct wanted_list wanted;
};

int tree_is_opaque(int fd) {
  char value[2];
  ssize_t size = fgetxattr(fd, overlay_opaque_xattr(), value, sizeof value);
  if (size < 0)
    return errno == ENODATA || errno == ENOTSUP || errno == ERANGE ? 0 : -1;
  return size == 1 && value[0] == 'y';
}

static int add_name(struct names *names, const char *name) {
  size_t size = strlen(name) + 1;
  if (names->capacity - names->used < size) {
    size_t capacity = names->capacity == 0 ? 4096 : names->capacity * 2;
    char *grown = realloc(names->text, capacity);
    if (grown == NULL)
      return -1;
    names->text = grown;
    names->capacity = capacity;
  }
  memcpy(names->text + names->used, name, size);
  names->used += size;
  names->count++;
  return 0;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Reads the names in the directory `fd`, which stays open; -1 with errno. The caller frees both blocks, also after a failure. */
static int read_names(int fd, struct names *names) {
  int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0)
    return -1;
  DIR *dir = fdopendir(copy);
  if (dir == NULL) {
    int saved = errno;
    close(copy);
    errno = saved;
    return -1;
  }
  int status = 0;
  struct dirent *entry;
  while (status == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      status = add_name(names, entry->d_name);
  }
  if (errno != 0)
    status = -1;
  int saved = errno;
  closedir(dir);
  errno = saved;
  if (status < 0)
    return -1;
  names->sorted = reallocarray(NULL, names->count + 1, sizeof *names->sorted);
  if (names->sorted == NULL)
    return -1;
  const char *at = names->text;
  for (size_t i = 0; i < names->count; i++, at += strlen(at) + 1)
    names->sorted[i] = at;
  qsort(names->sorted, names->count, sizeof *names->sorted, compare_names);
  return 0;
}

/* Sets the last name of the walk's path; `length` is that of the directory's path. */
static int set_name(struct walk *walk, size_t length, const char *name) {
  size_t size = strlen(name), needed = length + size + 2;
  if (needed > walk->path_capacity) {
    char *grown = realloc(walk->path, needed * 2);
    if (grown == NULL)
      return -1;
    walk->path = grown;
    walk->path_capacity = needed * 2;
  }
  if (length > 0)
    walk->path[length++] = '/';
  memcpy(walk->path + length, name, size + 1);
  walk->path_size = length + size;
  return 0;
}

static int walk_directory(struct walk *walk, int fd, struct error *error);

static int walk_entry(struct walk *walk, int parent, const char *name, struct error *error) {
  struct tree_entry entry = {.parent = parent, .name = name, .fd = -1};
  /* Nobody could unpack it again; and it bounds the depth of the recursion. */
  if (walk->path_size >= PATH_MAX)
    return fail(error, TREE_UNSUPPORTED, ENAMETOOLONG, "%s", walk->path);
  if (fstatat(parent, name, &entry.stat, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(error, TREE_READ, errno, "%s", walk->path);
  cleanup_fd int fd = -1;
  if (S_ISDIR(entry.stat.st_mode)) {
    fd = tree_open_dir(parent, name);
    int opaque = fd < 0 ? -1 : tree_is_opaque(fd);
    if (opaque < 0)
      return fail(error, TREE_READ, errno, "%s", walk->path);
    entry.opaque = opaque == 1;
  }
  if (walk->reads_wanted) {
    bool has_attributes = S_ISREG(entry.stat.st_mode) || S_ISDIR(entry.stat.st_mode);
    int differs = has_attributes ? wanted_get(parent, name, &entry.stat)
                                 : wanted_list_get(&walk->wanted, parent, name, &entry.stat);
    if (differs < 0)
      return fail(error, TREE_READ, errno, "%s", walk->path);
    entry.is_other = differs == 1;
  }
  entry.fd = fd;
  entry.path = walk->path;
  entry.path_size = walk->path_size;
  if (walk->visit(walk->context, &entry, error) < 0)
    return -1;
  return fd < 0 ? 0 : walk_directory(walk, fd, error);
}

static int walk_directory(struct walk *walk, int fd, struct error *error) {
  struct names names = {.text = NULL};
  size_t length = walk->path_size;
  int status = 0;
  if (read_names(fd, &names) < 0)
    status = fail(error, TREE_READ, errno, "%s", length == 0 ? "/" : walk->path);
  for (size_t i = 0; i < names.count && status == 0; i++) {
    status = set_name(walk, length, names.sorted[i]) < 0 ? fail(error, TREE_READ, errno, "%s", names.sorted[i])
                                                         : walk_entry(walk, fd, names.sorted[i], error);
  }
  free(names.sorted);
  free(names.text);
  return status;
}

int tree_walk(int root, tree_visit *visit, void *context, struct error *error) {
  struct walk walk = {.visit = visit, .context = context, .reads_wanted = !userns_is_initial()};
  if (walk.reads_wanted && wanted_list_read(root, &walk.wanted) < 0)
    return fail(error, TREE_READ, errno, WANTED_LIST);
  int status = walk_directory(&walk, root, error);
  free(walk.wanted.entries);
  free(walk.path);
  return status;
}
