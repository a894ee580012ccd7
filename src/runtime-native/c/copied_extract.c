#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "copied_tree.h"
#include "files.h"
#include "layer_set.h"
#include "overlay.h"
#include "syscalls.h"
#include "tree.h"

/* A directory on the way to the entry at hand, as it was before something was moved out of it. */
struct ancestor {
  char *path;
  struct stat stat;
  bool is_made;
};

struct made_directory {
  char *path;
  struct timespec times[2];
};

struct extraction {
  const struct copied_tree *tree;
  int upper;
  /* The first entry of the copy that the walk has not come to. */
  size_t next;
  /* A directory that was moved as a whole, and one that was deleted as a whole. "" for none. */
  char *moved;
  char *deleted;
  /* By depth. */
  struct ancestor *ancestors;
  size_t depth;
  size_t capacity;
  /* Times are set at the end. */
  struct made_directory *made;
  size_t made_count;
  size_t made_capacity;
};

static bool is_below(const char *path, const char *directory) {
  const size_t size = strlen(directory);
  return size > 0 && strncmp(path, directory, size) == 0 && path[size] == '/';
}

/* In the order of tree_walk: what is in a directory comes before what is beside it. */
static int compare_paths(const char *a, const char *b) {
  while (*a != '\0' && *a == *b)
    a++, b++;
  const int one = *a == '\0' ? -1 : *a == '/' ? 0 : (unsigned char)*a;
  const int other = *b == '\0' ? -1 : *b == '/' ? 0 : (unsigned char)*b;
  return one - other;
}

static int set_path(char **to, const char *path, struct error *error) {
  free(*to);
  *to = strdup(path);
  return *to == NULL ? fail(error, TREE_READ, ENOMEM, "%s", path) : 0;
}

static int enter(struct extraction *state, const char *path, const struct stat *stat, struct error *error) {
  while (state->depth > 0 && !is_below(path, state->ancestors[state->depth - 1].path))
    free(state->ancestors[--state->depth].path);
  if (stat == NULL)
    return 0;
  if (state->depth == state->capacity) {
    const size_t capacity = state->capacity == 0 ? 64 : state->capacity * 2;
    struct ancestor *grown = reallocarray(state->ancestors, capacity, sizeof *grown);
    if (grown == NULL)
      return fail(error, TREE_READ, ENOMEM, "%s", path);
    state->ancestors = grown;
    state->capacity = capacity;
  }
  char *copy = strdup(path);
  if (copy == NULL)
    return fail(error, TREE_READ, ENOMEM, "%s", path);
  state->ancestors[state->depth++] = (struct ancestor){.path = copy, .stat = *stat};
  return 0;
}

static int remember_times(struct extraction *state, const struct ancestor *ancestor, struct error *error) {
  if (state->made_count == state->made_capacity) {
    const size_t capacity = state->made_capacity == 0 ? 64 : state->made_capacity * 2;
    struct made_directory *grown = reallocarray(state->made, capacity, sizeof *grown);
    if (grown == NULL)
      return fail(error, TREE_WRITE, ENOMEM, "%s", ancestor->path);
    state->made = grown;
    state->made_capacity = capacity;
  }
  char *path = strdup(ancestor->path);
  if (path == NULL)
    return fail(error, TREE_WRITE, ENOMEM, "%s", ancestor->path);
  state->made[state->made_count++] = (struct made_directory){path, {ancestor->stat.st_atim, ancestor->stat.st_mtim}};
  return 0;
}

/* The layer has every directory on the way to what it changes. */
static int make_ancestors(struct extraction *state, struct error *error) {
  for (size_t i = 0; i < state->depth; i++) {
    struct ancestor *ancestor = &state->ancestors[i];
    const char *name;
    if (ancestor->is_made)
      continue;
    cleanup_fd int parent = copied_parent(state->upper, ancestor->path, &name);
    if (parent < 0 || mkdirat(parent, name, 0700) < 0)
      return fail(error, TREE_CREATE, errno, "%s", ancestor->path);
    cleanup_fd int from =
        sys_openat2(state->tree->root, ancestor->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, LAYER_EXACTLY);
    cleanup_fd int to = tree_open_dir(parent, name);
    if (from < 0 || to < 0 || copied_metadata(from, to, &ancestor->stat) < 0)
      return fail(error, TREE_METADATA, errno, "%s", ancestor->path);
    if (remember_times(state, ancestor, error) < 0)
      return -1;
    ancestor->is_made = true;
  }
  return 0;
}

static int delete(struct extraction *state, const char *path, struct error *error) {
  const char *name;
  if (is_below(path, state->deleted) || is_below(path, state->moved))
    return 0;
  if (enter(state, path, NULL, error) < 0 || make_ancestors(state, error) < 0 || set_path(&state->deleted, path, error) < 0)
    return -1;
  cleanup_fd int parent = copied_parent(state->upper, path, &name);
  if (parent < 0 || mknodat(parent, name, S_IFCHR, 0) < 0)
    return fail(error, TREE_CREATE, errno, "%s", path);
  return 0;
}

static int move(struct extraction *state, const struct tree_entry *entry, bool replaces, struct error *error) {
  const char *name;
  if (make_ancestors(state, error) < 0)
    return -1;
  cleanup_fd int parent = copied_parent(state->upper, entry->path, &name);
  if (parent < 0 || renameat(entry->parent, entry->name, parent, name) < 0)
    return fail(error, TREE_CREATE, errno, "%s", entry->path);
  /* What was below it, of which nothing is left, is no deletion of its own. */
  if (set_path(entry->fd < 0 ? &state->deleted : &state->moved, entry->path, error) < 0)
    return -1;
  if (entry->fd < 0 || !replaces)
    return 0;
  return fsetxattr(entry->fd, overlay_opaque_xattr(), "y", 1, 0) < 0
             ? fail(error, TREE_METADATA, errno, "%s", entry->path)
             : 0;
}

static int visit(void *context, const struct tree_entry *entry, struct error *error) {
  struct extraction *state = context;
  const struct copied_tree *tree = state->tree;
  struct copied_identity identity;
  struct stat stat;
  if (is_below(entry->path, state->moved))
    return 0;
  while (state->next < tree->count && compare_paths(tree->entries[state->next].path, entry->path) < 0) {
    if (delete(state, tree->entries[state->next++].path, error) < 0)
      return -1;
  }
  const struct copied_entry *before = NULL;
  if (state->next < tree->count && strcmp(tree->entries[state->next].path, entry->path) == 0)
    before = &tree->entries[state->next++];
  if (copied_identify(entry->parent, entry->name, &identity) < 0 ||
      fstatat(entry->parent, entry->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  const bool is_same = before != NULL && copied_is_same(&before->identity, &identity);
  if (enter(state, entry->path, entry->fd >= 0 && is_same ? &stat : NULL, error) < 0)
    return -1;
  if (is_same && copied_is_unchanged(&before->identity, &identity))
    return 0;
  return entry->fd >= 0 && is_same ? make_ancestors(state, error) : move(state, entry, before != NULL, error);
}

static int set_times(const struct extraction *state, struct error *error) {
  for (size_t i = 0; i < state->made_count; i++) {
    const struct made_directory *made = &state->made[i];
    cleanup_fd int fd = sys_openat2(state->upper, made->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, LAYER_EXACTLY);
    if (fd < 0 || futimens(fd, made->times) < 0)
      return fail(error, TREE_METADATA, errno, "%s", made->path);
  }
  return 0;
}

static int extract(struct extraction *state, struct error *error) {
  const struct copied_tree *tree = state->tree;
  struct stat root;
  if (fstat(tree->root, &root) < 0)
    return fail(error, TREE_READ, errno, "/");
  if (tree_walk(tree->root, visit, state, error) < 0)
    return -1;
  while (state->next < tree->count) {
    if (delete(state, tree->entries[state->next++].path, error) < 0)
      return -1;
  }
  const struct timespec times[2] = {root.st_atim, root.st_mtim};
  if (set_times(state, error) < 0)
    return -1;
  if (copied_metadata(tree->root, state->upper, &root) < 0 || futimens(state->upper, times) < 0)
    return fail(error, TREE_METADATA, errno, "/");
  return 0;
}

int copied_tree_extract(struct copied_tree *tree, int upper, struct error *error) {
  struct extraction state = {.tree = tree, .upper = upper, .moved = strdup(""), .deleted = strdup("")};
  const int status = state.moved == NULL || state.deleted == NULL ? fail(error, TREE_READ, ENOMEM, "/")
                                                                  : extract(&state, error);
  while (state.depth > 0)
    free(state.ancestors[--state.depth].path);
  for (size_t i = 0; i < state.made_count; i++)
    free(state.made[i].path);
  free(state.ancestors);
  free(state.made);
  free(state.moved);
  free(state.deleted);
  return status;
}
