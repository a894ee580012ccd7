/* Unpacking a layer's archive into a layer directory in overlay form (image-spec/layer.md#applying-changesets). */
#ifndef TSBUILD_UNPACK_H
#define TSBUILD_UNPACK_H

#include "files.h"
#include "layer_paths.h"
#include "layer_set.h"
#include "tar.h"

/*
 * Other engines unpack onto the merged file system below, so that a path may lead through symbolic links of lower layers and
 * parents that the archive leaves out are what they are below. Here only the layer itself is written: what the archive takes for granted
 * is looked up in the lower layers, and reported, because the result then depends on it.
 */
struct unpack {
  struct files_state files;
  struct tar_reader reader;
  struct layer_paths paths;
  struct layer_set lower;
  /* The directory that the last entry was in, and how the archive names it: the next one is often beside it. */
  struct layer_node *last;
  char *last_name;
  /* Parents on the way to a directory. */
  struct layer_node **chain;
  size_t chain_capacity;
};

/* ---- unpack_lower.c ---- */

/* What lower layers have at `node`, as far as the layer does not hide it, and which layer it is in: 1, or 0 for nothing. */
int unpack_lower_stat(struct unpack *unpack, const struct layer_node *node, struct stat *stat, int *layer,
                      struct error *error);
/* Brings a file of a lower layer into this one, as writing to it would: 1, or 0 when there is none. */
int unpack_copy_up(struct unpack *unpack, struct layer_node *node, struct error *error);

/* ---- unpack_paths.c ---- */

/*
 * Where the first `size` bytes of `name` lead as a directory when the symbolic links on the way are followed, in the layer and below
 * it. NULL after a failure.
 */
struct layer_node *unpack_resolve(struct unpack *unpack, const char *name, size_t size, struct error *error);
/* Has to be called when a link may lead elsewhere than before. */
void unpack_forget_last(struct unpack *unpack);
/* Makes `dir` and its parents, as far as the layer does not have them yet. */
int unpack_make_parents(struct unpack *unpack, struct layer_node *dir, struct error *error);

/* ---- unpack.c ---- */

/* Makes the operation at hand one of `op` on `node`, which replaces what is there. */
int unpack_begin(struct unpack *unpack, enum files_op op, const struct layer_node *node, struct error *error);
/* Metadata of what is below the layer. */
void unpack_like(struct unpack *unpack, const struct stat *stat);
/* Adds the archive to the layer. */
int unpack_archive(struct unpack *unpack, struct error *error);

#endif
