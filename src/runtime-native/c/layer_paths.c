#include "layer_paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "files.h"

/* Names of a path that a stranger's links make, and of parents that are not in the archive, count as well. */
#define NODES_MAX 20000000u

static int no_memory(struct error *error) { return fail(error, TREE_PROTOCOL, ENOMEM, "paths of the layer"); }

static struct layer_node *new_node(struct layer_node *parent, const char *name, size_t size) {
  struct layer_node *node = calloc(1, sizeof *node + size + 1);
  if (node == NULL)
    return NULL;
  memcpy(node->name, name, size);
  node->parent = parent;
  return node;
}

int layer_paths_init(struct layer_paths *paths, struct error *error) {
  *paths = (struct layer_paths){.capacity = 1024};
  /* So that nobody can choose names that all fall into one slot. */
  if (getrandom(&paths->secret, sizeof paths->secret, 0) != sizeof paths->secret)
    return fail(error, TREE_PROTOCOL, errno, "random bytes");
  paths->slots = calloc(paths->capacity, sizeof *paths->slots);
  paths->root = new_node(NULL, "", 0);
  if (paths->slots == NULL || paths->root == NULL)
    return no_memory(error);
  paths->root->kind = LAYER_DIRECTORY;
  return 0;
}

void layer_paths_free(struct layer_paths *paths) {
  for (size_t i = 0; i < paths->capacity && paths->slots != NULL; i++) {
    if (paths->slots[i] != NULL)
      free(paths->slots[i]->target);
    free(paths->slots[i]);
  }
  free(paths->slots);
  free(paths->root);
  free(paths->text);
}

static uint64_t mix(uint64_t value) {
  value = (value ^ value >> 32) * 0xd6e8feb86659fd93u;
  value = (value ^ value >> 32) * 0xd6e8feb86659fd93u;
  return value ^ value >> 32;
}

static uint64_t hash_of(const struct layer_paths *paths, const struct layer_node *parent, const char *name, size_t size) {
  uint64_t hash = mix(paths->secret ^ (uintptr_t)parent);
  for (; size > 0; name += 8) {
    uint64_t word = 0;
    const size_t part = size < 8 ? size : 8;
    memcpy(&word, name, part);
    hash = mix((hash + paths->secret) ^ word);
    size -= part;
  }
  return hash;
}

static size_t slot_of(const struct layer_paths *paths, uint64_t hash, const struct layer_node *parent, const char *name,
                      size_t size) {
  size_t at = hash & (paths->capacity - 1);
  for (const struct layer_node *node; (node = paths->slots[at]) != NULL; at = (at + 1) & (paths->capacity - 1)) {
    if (node->hash == hash && node->parent == parent && strncmp(node->name, name, size) == 0 && node->name[size] == '\0')
      break;
  }
  return at;
}

static int grow(struct layer_paths *paths) {
  const size_t capacity = paths->capacity * 2;
  struct layer_node **slots = calloc(capacity, sizeof(struct layer_node *));
  if (slots == NULL)
    return -1;
  for (size_t i = 0; i < paths->capacity; i++) {
    struct layer_node *node = paths->slots[i];
    if (node == NULL)
      continue;
    size_t at = node->hash & (capacity - 1);
    while (slots[at] != NULL)
      at = (at + 1) & (capacity - 1);
    slots[at] = node;
  }
  free(paths->slots);
  paths->slots = slots;
  paths->capacity = capacity;
  return 0;
}

struct layer_node *layer_child(struct layer_paths *paths, struct layer_node *parent, const char *name, size_t size,
                               struct error *error) {
  const uint64_t hash = hash_of(paths, parent, name, size);
  size_t at = slot_of(paths, hash, parent, name, size);
  if (paths->slots[at] != NULL)
    return paths->slots[at];
  if (paths->count == NODES_MAX) {
    fail(error, TREE_LIMIT, 0, "it has more than %u names", NODES_MAX);
    return NULL;
  }
  struct layer_node *node = new_node(parent, name, size);
  if (node == NULL || (paths->count * 2 >= paths->capacity && grow(paths) < 0)) {
    free(node);
    no_memory(error);
    return NULL;
  }
  node->hash = hash;
  node->next = parent->first;
  parent->first = node;
  paths->slots[slot_of(paths, hash, parent, name, size)] = node;
  paths->count++;
  return node;
}

const char *layer_path(struct layer_paths *paths, const struct layer_node *node, struct error *error) {
  size_t needed = node->parent == NULL ? 1 : 0;
  for (const struct layer_node *at = node; at->parent != NULL; at = at->parent)
    needed += strlen(at->name) + 1;
  if (needed > FILES_STRING_MAX) {
    fail(error, TREE_PARENT, ENAMETOOLONG, "%s", node->name);
    return NULL;
  }
  if (needed > paths->text_capacity) {
    char *grown = realloc(paths->text, needed * 2);
    if (grown == NULL) {
      no_memory(error);
      return NULL;
    }
    paths->text = grown;
    paths->text_capacity = needed * 2;
  }
  /* From the last name to the first, each with the byte that follows it. */
  char *end = paths->text + needed;
  char follows = '\0';
  for (const struct layer_node *at = node; at->parent != NULL; at = at->parent) {
    const size_t size = strlen(at->name);
    *--end = follows;
    end -= size;
    memcpy(end, at->name, size);
    follows = '/';
  }
  if (node->parent == NULL)
    paths->text[0] = '\0';
  return paths->text;
}

struct layer_node *layer_walk(const struct layer_node *top, struct layer_node *node, bool skip) {
  if (!skip && node->first != NULL)
    return node->first;
  while (node != top && node->next == NULL)
    node = node->parent;
  return node == top ? NULL : node->next;
}

static void forget(struct layer_node *node) {
  free(node->target);
  node->target = NULL;
  node->kind = LAYER_NOTHING;
  node->hidden = node->opaque = node->implied = false;
}

int layer_record(struct layer_node *node, enum layer_kind kind, const char *target, struct error *error) {
  char *copy = kind == LAYER_SYMLINK ? strdup(target) : NULL;
  if (kind == LAYER_SYMLINK && copy == NULL)
    return no_memory(error);
  if (node->kind == LAYER_DIRECTORY && kind != LAYER_DIRECTORY) {
    for (struct layer_node *at = layer_walk(node, node, false); at != NULL; at = layer_walk(node, at, false))
      forget(at);
    node->opaque = false;
  }
  node->implied = false;
  node->kind = kind;
  free(node->target);
  node->target = copy;
  return 0;
}

bool layer_is_hidden(const struct layer_node *node) {
  if (node->hidden)
    return true;
  for (const struct layer_node *at = node; at->parent != NULL; at = at->parent) {
    const struct layer_node *parent = at->parent;
    if (parent->hidden || parent->opaque || parent->kind == LAYER_SYMLINK || parent->kind == LAYER_OTHER)
      return true;
  }
  return false;
}
