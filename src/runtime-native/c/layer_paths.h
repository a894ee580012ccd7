/*
 * What is known of a layer while it is unpacked: its entries, what it hides, and what it takes for granted. A tree of names;
 * a node is found by its parent and its name. Nodes are forgotten, but stay, so that pointers to them are good to the end.
 */
#ifndef TSBUILD_LAYER_PATHS_H
#define TSBUILD_LAYER_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum layer_kind { LAYER_NOTHING, LAYER_DIRECTORY, LAYER_SYMLINK, LAYER_OTHER };

struct layer_node {
  struct layer_node *parent;
  struct layer_node *first;
  struct layer_node *next;
  uint64_t hash;
  /* Where a symbolic link leads; of nothing, the one that lower layers have there, once it was read. */
  char *target;
  enum layer_kind kind : 8;
  /* A whiteout hides what is below the layer here. */
  bool hidden;
  /* Nothing of this directory is visible from below. */
  bool opaque;
  /* The archive takes it for granted. */
  bool implied;
  char name[];
};

struct layer_paths {
  struct layer_node *root;
  struct layer_node **slots;
  size_t capacity;
  size_t count;
  uint64_t secret;
  /* Of layer_path. */
  char *text;
  size_t text_capacity;
};

int layer_paths_init(struct layer_paths *paths, struct error *error);
void layer_paths_free(struct layer_paths *paths);

/* The node of the first `size` bytes of `name` in `parent`, made if it is new; NULL after a failure. */
struct layer_node *layer_child(struct layer_paths *paths, struct layer_node *parent, const char *name, size_t size,
                               struct error *error);

/* The path without a slash at its start, "" for the root; lent until the next call. NULL after a failure. */
const char *layer_path(struct layer_paths *paths, const struct layer_node *node, struct error *error);

/* Records an entry. What it replaces is forgotten, with everything below. `target` is copied. */
int layer_record(struct layer_node *node, enum layer_kind kind, const char *target, struct error *error);

/* Whether nothing of what lower layers have at the node is visible, as far as the archive was read. */
bool layer_is_hidden(const struct layer_node *node);

/* The node that follows `node` in a walk over all below `top`, parents first; without its children if `skip`. NULL at the end. */
struct layer_node *layer_walk(const struct layer_node *top, struct layer_node *node, bool skip);

#endif
