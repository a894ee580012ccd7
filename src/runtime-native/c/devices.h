/* What is in a container's /dev. */
#ifndef TSBUILD_DEVICES_H
#define TSBUILD_DEVICES_H

#include "error.h"
#include "spec.h"

/*
 * In a user namespace nobody can make a device (mknod(2)): `host` becomes detached mounts of the host's own, for each device
 * of the description, to be called while they are in reach. Elsewhere, and where the host lacks an optional one, -1.
 */
int devices_open(const struct container_spec *spec, int *host, struct error *error);

/*
 * Makes the device nodes, links and mount points in the directory open at `dev`. What is there already stays as it is, as a
 * container can be given the host's devices. For those in `host` there are empty files. The umask must be 0.
 */
int devices_make(int dev, const struct container_spec *spec, const int *host, struct error *error);

/* Attaches those in `host`, when `dev` is part of the mount namespace. */
int devices_attach(int dev, const struct container_spec *spec, const int *host, struct error *error);

/*
 * The null device: the one in the new file system at `dev`, or of a file system made for it where `dev` is negative. It
 * is looked at, as it will cover files that must not be read.
 */
int devices_open_null(int dev, struct error *error);

#endif
