/* What the container's process may do: its ids and its capabilities. */
#ifndef TSBUILD_PRIVILEGES_H
#define TSBUILD_PRIVILEGES_H

#include "error.h"
#include "identity.h"
#include "spec.h"

/*
 * Becomes `identity` with the capabilities that were asked for, as far as the caller has them. Only calls that a container's
 * seccomp filter allows are used.
 */
int privileges_drop(const struct identity *identity, const struct capability_sets *asked, struct error *error);

#endif
