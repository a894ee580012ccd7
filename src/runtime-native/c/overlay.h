/* Mounting a stack of layer directories. */
#ifndef TSBUILD_OVERLAY_H
#define TSBUILD_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "spec.h"

/*
 * A detached mount of `overlay`, as a descriptor that the caller owns; nothing is attached to the mount namespace and
 * the mount ends with its last descriptor. A stack that is a single directory is a clone of that directory's mount.
 * Where the kernel cannot take layers as descriptors (before 6.13), the caller's mount namespace must be its own. `stage`
 * is what a failure is reported as.
 */
int overlay_mount(const struct overlay_spec *overlay, uint32_t stage, struct error *error);

/* Whether overlay's attributes are `user.overlay.*`, as everywhere but in the initial user namespace. */
bool overlay_uses_user_xattrs(void);

/* The attribute that marks an opaque directory, in the form that this process's overlays use. */
const char *overlay_opaque_xattr(void);

#endif
