/* What is in a container's /dev. */
#ifndef TSBUILD_DEVICES_H
#define TSBUILD_DEVICES_H

#include <stdbool.h>

#include "error.h"

/*
 * Makes the device nodes, links and mount points in the empty file system open at `dev`. `all` adds the host's nodes
 * that an insecure container may use. *null becomes the null device that was made. The umask must be 0.
 */
int devices_populate(int dev, bool all, int *null, struct error *error);

#endif
