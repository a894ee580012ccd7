/* What is in a container's /dev. */
#ifndef TSBUILD_DEVICES_H
#define TSBUILD_DEVICES_H

#include "error.h"
#include "spec.h"

/*
 * Makes the device nodes, links and mount points in the directory open at `dev`. What is there already stays as it is, as a
 * container can be given the host's devices. The umask must be 0.
 */
int devices_make(int dev, const struct container_spec *spec, struct error *error);

/*
 * The null device: the one in the new file system at `dev`, or of a file system made for it where `dev` is negative. It
 * is looked at, as it will cover files that must not be read.
 */
int devices_open_null(int dev, struct error *error);

#endif
