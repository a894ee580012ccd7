#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "copied_tree.h"
#include "layer_set.h"
#include "syscalls.h"
#include "tree.h"

#define CLOCK_PAUSE_NS 1000000

/* An existing directory is merged, unless the layer hides it. */
static int fill_directory(const struct tree_entry *entry, const struct stat *stat, int parent, const char *name,
                          struct error *error) {
  if (mkdirat(parent, name, 0700) < 0) {
    if (errno != EEXIST)
      return fail(error, TREE_CREATE, errno, "%s", entry->path);
    cleanup_fd int present = entry->opaque ? -1 : tree_open_dir(parent, name);
    if (present < 0 &&
        (tree_remove(parent, name, entry->path, error) < 0 ||
         (mkdirat(parent, name, 0700) < 0 && fail(error, TREE_CREATE, errno, "%s", entry->path) < 0)))
      return -1;
  }
  cleanup_fd int fd = tree_open_dir(parent, name);
  if (fd < 0 || copied_metadata(entry->fd, fd, stat) < 0)
    return fail(error, TREE_METADATA, errno, "%s", entry->path);
  return 0;
}

static int fill_entry(void *context, const struct tree_entry *entry, struct error *error) {
  const struct copied_tree *tree = context;
  struct stat stat;
  const char *name;
  cleanup_fd int parent = copied_parent(tree->root, entry->path, &name);
  /* What it is, not what it is meant to be. */
  if (parent < 0 || fstatat(entry->parent, entry->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  if (S_ISDIR(stat.st_mode))
    return fill_directory(entry, &stat, parent, name, error);
  if (tree_remove(parent, name, entry->path, error) < 0)
    return -1;
  const bool is_whiteout = S_ISCHR(stat.st_mode) && stat.st_rdev == 0;
  return is_whiteout ? 0 : copied_node(entry->parent, entry->name, &stat, parent, entry->path, error);
}

/* When nothing is made in the directories any more. A directory that a higher layer has replaced gets that one's later. */
static int fill_times(void *context, const struct tree_entry *entry, struct error *error) {
  const struct copied_tree *tree = context;
  if (entry->fd < 0)
    return 0;
  cleanup_fd int fd = sys_openat2(tree->root, entry->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, LAYER_EXACTLY);
  const struct timespec times[2] = {entry->stat.st_atim, entry->stat.st_mtim};
  if (fd < 0)
    return 0;
  return futimens(fd, times) < 0 ? fail(error, TREE_METADATA, errno, "%s", entry->path) : 0;
}

static int remember(void *context, const struct tree_entry *entry, struct error *error) {
  struct copied_tree *tree = context;
  if (tree->count == tree->capacity) {
    const size_t capacity = tree->capacity == 0 ? 1024 : tree->capacity * 2;
    struct copied_entry *grown = reallocarray(tree->entries, capacity, sizeof *grown);
    if (grown == NULL)
      return fail(error, TREE_READ, ENOMEM, "%s", entry->path);
    tree->entries = grown;
    tree->capacity = capacity;
  }
  struct copied_entry *copy = &tree->entries[tree->count];
  if (copied_identify(entry->parent, entry->name, &copy->identity) < 0 || (copy->path = strdup(entry->path)) == NULL)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  tree->count++;
  return 0;
}

static bool is_before(const struct statx_timestamp *a, const struct statx_timestamp *b) {
  return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Times of change are those of a clock with coarse steps: a change in the same step as the copy would not be seen. */
static void await_next_step(const struct copied_tree *tree) {
  struct statx_timestamp last = {0}, step = {0};
  struct timespec now;
  const struct timespec pause = {.tv_nsec = CLOCK_PAUSE_NS};
  for (size_t i = 0; i < tree->count; i++) {
    if (is_before(&last, &tree->entries[i].identity.changed))
      last = tree->entries[i].identity.changed;
  }
  for (;;) {
    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
      return;
    step.tv_sec = now.tv_sec;
    step.tv_nsec = (uint32_t)now.tv_nsec;
    if (is_before(&last, &step))
      return;
    nanosleep(&pause, NULL);
  }
}

static int fill_root(const struct copied_tree *tree, int from, struct error *error) {
  struct stat stat;
  if (fstat(from, &stat) < 0 || copied_metadata(from, tree->root, &stat) < 0)
    return fail(error, TREE_METADATA, errno, "/");
  const struct timespec times[2] = {stat.st_atim, stat.st_mtim};
  return futimens(tree->root, times) < 0 ? fail(error, TREE_METADATA, errno, "/") : 0;
}

int copied_tree_fill(struct copied_tree *tree, int root, const struct string_list *lower, int upper, struct error *error) {
  struct layer_set layers;
  *tree = (struct copied_tree){.root = root};
  if (layer_set_open(&layers, lower, TREE_ROOT, error) < 0)
    return -1;
  int status = 0;
  for (size_t i = layers.count; i-- > 0 && status == 0;)
    status = tree_walk(layers.layers[i], fill_entry, tree, error);
  for (size_t i = layers.count; i-- > 0 && status == 0;)
    status = tree_walk(layers.layers[i], fill_times, tree, error);
  if (status == 0 && (upper >= 0 || layers.count > 0))
    status = fill_root(tree, upper >= 0 ? upper : layers.layers[0], error);
  layer_set_close(&layers);
  if (status < 0 || upper < 0)
    return status;
  if (tree_walk(root, remember, tree, error) < 0)
    return -1;
  await_next_step(tree);
  return 0;
}

void copied_tree_close(struct copied_tree *tree) {
  cleanup_fd_at(&tree->root);
  for (size_t i = 0; i < tree->count; i++)
    free(tree->entries[i].path);
  free(tree->entries);
  *tree = (struct copied_tree){.root = -1};
}
