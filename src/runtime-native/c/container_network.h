/* The network namespace of a container, and its address in its /etc/hosts. */
#ifndef TSBUILD_CONTAINER_NETWORK_H
#define TSBUILD_CONTAINER_NETWORK_H

#include "container.h"

/* *namespace becomes the one for the first process to enter, the caller's to close; -1 for the host's. */
int container_network_open(struct container *container, int *namespace, struct error *error);

#endif
