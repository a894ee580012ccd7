#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unpack.h"

#define LINKS_MAX 255

static int read_lower_link(struct unpack *unpack, struct layer_node *node, struct error *error) {
  struct stat stat;
  int layer;
  int status = unpack_lower_stat(unpack, node, &stat, &layer, error);
  if (status <= 0 || !S_ISLNK(stat.st_mode))
    return status < 0 ? -1 : 0;
  char target[PATH_MAX];
  const char *path = layer_path(&unpack->paths, node, error);
  ssize_t size = path == NULL ? -1 : readlinkat(layer, path, target, sizeof target - 1);
  if (size < 0)
    return path == NULL ? -1 : fail(error, TREE_SOURCE, errno, "/%s", path);
  target[size] = '\0';
  node->target = strdup(target);
  return node->target == NULL ? fail(error, TREE_PROTOCOL, ENOMEM, "path") : 1;
}

/* 1 and the target if a symbolic link is at `node`, in the layer or below it. */
static int link_target(struct unpack *unpack, struct layer_node *node, const char **target, struct error *error) {
  if (node->kind == LAYER_NOTHING) {
    if (unpack->lower.count == 0 || layer_is_hidden(node))
      return 0;
    int status = node->target != NULL ? 1 : read_lower_link(unpack, node, error);
    if (status <= 0)
      return status;
    node->implied = true;
  } else if (node->kind != LAYER_SYMLINK) {
    return 0;
  }
  *target = node->target;
  return 1;
}

void unpack_forget_last(struct unpack *unpack) {
  free(unpack->last_name);
  unpack->last_name = NULL;
}

struct layer_node *unpack_resolve(struct unpack *unpack, const char *name, size_t size, struct error *error) {
  if (unpack->last_name != NULL && strncmp(unpack->last_name, name, size) == 0 && unpack->last_name[size] == '\0')
    return unpack->last;
  unpack_forget_last(unpack);
  char *copy = strndup(name, size);
  if (copy == NULL) {
    fail(error, TREE_PROTOCOL, ENOMEM, "path");
    return NULL;
  }
  unpack->last_name = copy;
  /* What is left of the path, and of the links on the way; the last one comes first. */
  const char *pending[LINKS_MAX + 1] = {copy};
  size_t count = 1, links = 0;
  struct layer_node *current = unpack->paths.root;
  while (count > 0) {
    const char *part = pending[count - 1] + strspn(pending[count - 1], "/");
    const size_t length = strcspn(part, "/");
    pending[count - 1] = part + length;
    if (length == 0) {
      count--;
      continue;
    }
    if (length == 1 && part[0] == '.')
      continue;
    if (length == 2 && part[0] == '.' && part[1] == '.') {
      current = current->parent == NULL ? current : current->parent;
      continue;
    }
    struct layer_node *node = layer_child(&unpack->paths, current, part, length, error);
    if (node == NULL)
      return NULL;
    const char *target = NULL;
    int status = link_target(unpack, node, &target, error);
    if (status < 0)
      return NULL;
    if (status == 0) {
      current = node;
      continue;
    }
    if (++links > LINKS_MAX) {
      fail(error, TREE_ARCHIVE, 0, "\"%s\" has too many levels of symbolic links", copy);
      return NULL;
    }
    if (target[0] == '/')
      current = unpack->paths.root;
    pending[count++] = target;
  }
  unpack->last = current;
  return current;
}

/* For directories that nobody describes. The time is fixed so that the same archive gives the same directory. */
static const struct stat default_parent = {.st_mode = S_IFDIR | 0755};

static int make_parent(struct unpack *unpack, struct layer_node *node, struct error *error) {
  struct stat stat;
  int layer;
  int status = unpack_lower_stat(unpack, node, &stat, &layer, error);
  if (status < 0 || layer_record(node, LAYER_DIRECTORY, NULL, error) < 0 ||
      unpack_begin(unpack, FILES_DIRECTORY, node, error) < 0)
    return -1;
  node->implied = true;
  unpack_like(unpack, status == 1 && S_ISDIR(stat.st_mode) ? &stat : &default_parent);
  return files_apply(&unpack->files, error);
}

int unpack_make_parents(struct unpack *unpack, struct layer_node *dir, struct error *error) {
  size_t count = 0;
  for (struct layer_node *at = dir; at->kind != LAYER_DIRECTORY; at = at->parent) {
    if (count == unpack->chain_capacity) {
      const size_t capacity = count == 0 ? 64 : count * 2;
      struct layer_node **grown = reallocarray(unpack->chain, capacity, sizeof(struct layer_node *));
      if (grown == NULL)
        return fail(error, TREE_PROTOCOL, ENOMEM, "path");
      unpack->chain = grown;
      unpack->chain_capacity = capacity;
    }
    unpack->chain[count++] = at;
  }
  while (count > 0) {
    if (make_parent(unpack, unpack->chain[--count], error) < 0)
      return -1;
  }
  return 0;
}
