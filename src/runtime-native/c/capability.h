/* The capability of a file, an extended attribute that belongs to the root of one user namespace (capabilities(7)). */
#ifndef TSBUILD_CAPABILITY_H
#define TSBUILD_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>

#define CAPABILITY_XATTR "security.capability"

/*
 * Changes version 3, which names that root, into version 2, which means the reader's own: outside of the machine that wrote
 * the first, it means nothing. The size then; other values are left alone.
 */
size_t capability_to_plain(void *value, size_t size);

/* Whether it names a root that does not exist in this user namespace: the kernel refuses to write it. */
bool capability_is_of_unknown_root(const void *value, size_t size);

#endif
