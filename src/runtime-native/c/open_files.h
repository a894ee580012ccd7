/* The limit on open files that the user had before Node raised it. */
#ifndef TSBUILD_OPEN_FILES_H
#define TSBUILD_OPEN_FILES_H

#include <stdint.h>

/*
 * Node raises its soft limit to the hard one when it starts, and what it starts inherits that; programs that close or
 * scan all possible descriptors then take very long. The soft limit of the nearest ancestor that has the same hard
 * limit and a lower soft one is what the user had. Without such an ancestor the current limit is it.
 */
uint64_t open_files_original(void);

#endif
