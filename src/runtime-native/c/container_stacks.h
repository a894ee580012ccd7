/* The layers of a container where overlayfs cannot stack them: made before its process starts, brought to the upper directory after its end. */
#ifndef TSBUILD_CONTAINER_STACKS_H
#define TSBUILD_CONTAINER_STACKS_H

#include "container.h"

/* Nothing is done where overlayfs works: the first process mounts them itself. */
int container_stacks_open(struct container *container, struct error *error);

/* The process has its own: gives up what would keep the mounts. */
void container_stacks_release(struct container *container);

/* After the end of the process. */
int container_stacks_close(struct container *container, bool is_wanted, struct error *error);

#endif
