/*
 * A stack of layers as one tree, by the first way that works here: overlayfs; fuse-overlayfs(1), for users other than root; or a copy.
 * Whoever opens a stack gives it back when nobody uses the tree any more: then what was written is in `upper`, in overlay form.
 */
#ifndef TSBUILD_STACK_H
#define TSBUILD_STACK_H

#include <sys/types.h>

#include "copied_tree.h"
#include "error.h"
#include "spec.h"

enum snapshotter { SNAPSHOTTER_OVERLAY, SNAPSHOTTER_FUSE, SNAPSHOTTER_COPY };

struct stack {
  const struct overlay_spec *overlay;
  enum snapshotter kind;
  /* A detached mount; -1 when it was given away. */
  int mount;
  /* Of SNAPSHOTTER_FUSE: the program, which ends with the last user of the mount. 0 for none. */
  pid_t server;
  /* Of SNAPSHOTTER_COPY: where the copy is, and its name there. */
  int place;
  char name[32];
  struct copied_tree copy;
};

/*
 * What the environment says (TSBUILD_SNAPSHOTTER): `overlay`, `fuse-overlayfs`, `copy`, or `auto`, which tries to mount this stack,
 * in a process that ends then, unless it is known that the kernel can. The answer holds for all stacks of this process. -1 with
 * `error` filled when what is wanted cannot be had.
 */
int stack_choose(const struct overlay_spec *overlay, enum snapshotter *chosen, uint32_t stage, struct error *error);

/* Makes it, not by overlayfs. `place` is a directory for a copy, on the file system of the layers, which gets the `name`. */
int stack_open(struct stack *stack, enum snapshotter kind, const struct overlay_spec *overlay, const char *place,
               const char *name, uint32_t stage, struct error *error);

/* Nobody else has the tree any more. With `is_wanted` the writes are brought to `upper`. */
int stack_close(struct stack *stack, bool is_wanted, uint32_t stage, struct error *error);

/* ---- stack_fuse.c ---- */

/* Whether there is the program, and the device for it. */
bool stack_fuse_is_possible(void);
int stack_fuse_open(struct stack *stack, uint32_t stage, struct error *error);
int stack_fuse_close(struct stack *stack, bool is_wanted, uint32_t stage, struct error *error);

#endif
