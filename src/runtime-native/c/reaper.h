/* The first process of a container with an init: it starts the command, takes up orphans, and ends as the command does. */
#ifndef TSBUILD_REAPER_H
#define TSBUILD_REAPER_H

#include <stdbool.h>

#include "error.h"

/*
 * Divides the calling process. Returns 0 in the child, which goes on to the exec; the parent never returns. `socket` is that
 * of the reports, whose end the exec of the child then is; with a terminal the child's group is in its foreground.
 */
int reaper_start(int socket, bool terminal, struct error *error);

#endif
