#include "container_stacks.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "stage.h"

static bool is_stacked(const struct overlay_spec *overlay) {
  return overlay->lower.count > (overlay->upper == NULL ? 1u : 0u);
}

static int open_one(struct container *container, struct overlay_spec *overlay, uint32_t stage, struct error *error) {
  const char *place = overlay->work != NULL ? overlay->work : container->spec.rootfs.work;
  enum snapshotter chosen;
  char name[32];
  if (!is_stacked(overlay))
    return 0;
  if (stack_choose(overlay, &chosen, stage, error) < 0)
    return -1;
  if (chosen == SNAPSHOTTER_OVERLAY)
    return 0;
  struct stack *stack = &container->stacks[container->stack_count];
  snprintf(name, sizeof name, "copy-%zu", container->stack_count);
  if (chosen == SNAPSHOTTER_COPY && place == NULL)
    return fail(error, stage, 0, "there is no place for a copy of the layers");
  if (stack_open(stack, chosen, overlay, place, name, stage, error) < 0)
    return -1;
  overlay->made = stack->mount;
  container->stack_count++;
  return 0;
}

int container_stacks_open(struct container *container, struct error *error) {
  struct container_spec *spec = &container->spec;
  container->stacks = calloc(spec->mount_count + 1, sizeof *container->stacks);
  if (container->stacks == NULL)
    return fail(error, STAGE_SUPERVISOR, ENOMEM, "layers");
  if (spec->rootfs_directory == NULL && open_one(container, &spec->rootfs, STAGE_ROOTFS, error) < 0)
    return -1;
  for (size_t i = 0; i < spec->mount_count; i++) {
    if (spec->mounts[i].kind == MOUNT_OVERLAY && open_one(container, &spec->mounts[i].overlay, STAGE_SOURCE, error) < 0)
      return -1;
  }
  /* What is made in a copy for a mount is to be taken away there. */
  if (container->stubs.root >= 0 && container->stack_count > 0 && container->stacks[0].overlay == &spec->rootfs &&
      container->stacks[0].kind == SNAPSHOTTER_COPY) {
    cleanup_fd_at(&container->stubs.root);
    container->stubs.root = fcntl(container->stacks[0].copy.root, F_DUPFD_CLOEXEC, 0);
    if (container->stubs.root < 0)
      return fail(error, STAGE_ROOTFS, errno, "copy");
  }
  return 0;
}

void container_stacks_release(struct container *container) {
  for (size_t i = 0; i < container->stack_count; i++)
    cleanup_fd_at(&container->stacks[i].mount);
}

int container_stacks_close(struct container *container, bool is_wanted, struct error *error) {
  int status = 0;
  while (container->stack_count > 0) {
    struct stack *stack = &container->stacks[--container->stack_count];
    /* Only the root's writes are kept; those to a mount go with it. */
    const bool is_root = stack->overlay == &container->spec.rootfs;
    struct error ignored;
    if (stack_close(stack, is_wanted && is_root, STAGE_ROOTFS, status < 0 ? &ignored : error) < 0)
      status = -1;
  }
  free(container->stacks);
  container->stacks = NULL;
  return status;
}
