/*
 * A stack of layers as a copy of what it shows, for where nothing can mount a stack. What a container changes in it is found by the
 * inode and the time of change that each entry had, which no program can set, and moved to a layer's directory in overlay form.
 */
#ifndef TSBUILD_COPIED_TREE_H
#define TSBUILD_COPIED_TREE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "error.h"
#include "spec.h"

/* What tells an entry from another of the same name, and how it is from how it was. */
struct copied_identity {
  uint64_t inode;
  struct statx_timestamp born;
  struct statx_timestamp changed;
};

struct copied_entry {
  char *path;
  struct copied_identity identity;
};

struct copied_tree {
  /* -1 for none. */
  int root;
  /* As they were when the copy was made, in the order of tree_walk. */
  struct copied_entry *entries;
  size_t count;
  size_t capacity;
};

/* Fills the empty directory `root`, which it takes over. The root itself is what `upper` is, unless that is -1. Failures are of enum tree_stage. */
int copied_tree_fill(struct copied_tree *tree, int root, const struct string_list *lower, int upper, struct error *error);

/* Moves what is not as it was to the empty directory `upper`; the tree is of no use any more. */
int copied_tree_extract(struct copied_tree *tree, int upper, struct error *error);

void copied_tree_close(struct copied_tree *tree);

/* ---- copied_node.c ---- */

/* -1 with errno. */
int copied_identify(int parent, const char *name, struct copied_identity *identity);
bool copied_is_same(const struct copied_identity *a, const struct copied_identity *b);
bool copied_is_unchanged(const struct copied_identity *a, const struct copied_identity *b);

/* Owner, mode, and attributes but overlay's own, of one open file or directory to another. -1 with errno. */
int copied_metadata(int from, int to, const struct stat *stat);

/* 1 if two open files are the same but for their times of access and change, 0 if not, -1 with errno. */
int copied_is_equal(int one, int other);

/* A copy of `name` in `parent`, which is no directory and is not there yet in `to`. */
int copied_node(int parent, const char *name, const struct stat *stat, int to, const char *path, struct error *error);

/* Opens the directory that has `path` (relative, clean) below `root`, without following links; *name becomes its last part. -1 with errno. */
int copied_parent(int root, const char *path, const char **name);

#endif
