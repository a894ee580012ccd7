/* What the container's process may do: its ids and its capabilities. */
#ifndef TSBUILD_PRIVILEGES_H
#define TSBUILD_PRIVILEGES_H

#include <stdbool.h>

#include "error.h"
#include "identity.h"

/*
 * Becomes `identity` with the default set of capabilities, or with all that the caller has. Inheritable and ambient
 * sets stay empty unless `all`: a program could otherwise gain them by running another with inheritable file
 * capabilities. Only calls that the seccomp filter allows are used.
 */
int privileges_drop(const struct identity *identity, bool all, struct error *error);

#endif
