/* What a stack of layer directories shows at a path, found by looking: nothing is mounted. */
#ifndef TSBUILD_LAYER_SET_H
#define TSBUILD_LAYER_SET_H

#include "error.h"
#include "spec.h"

struct layer_set {
  /* Topmost first. */
  int *layers;
  size_t count;
};

/* How paths of layers are opened: nothing in them may lead elsewhere. */
#define LAYER_EXACTLY (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

int layer_set_open(struct layer_set *set, const struct string_list *lower, uint32_t stage, struct error *error);
void layer_set_close(struct layer_set *set);

/* The layer that `path` (relative, clean) comes from, as a descriptor of the set; -1 with ENOENT where nothing is, or another errno. */
int layer_set_find(const struct layer_set *set, const char *path);

#endif
