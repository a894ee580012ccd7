/* Finding and running the container's command. */
#ifndef TSBUILD_COMMAND_H
#define TSBUILD_COMMAND_H

#include <limits.h>

#include "error.h"
#include "spec.h"

struct command_path {
  char path[PATH_MAX];
};

/*
 * The file that argv[0] means to the calling process: itself if it has a slash, else the first executable in PATH.
 * `proc` is the container's proc; the runtime's own file is refused, as the container could change it for the host.
 */
int command_find(const struct container_spec *spec, int proc, struct command_path *command, struct error *error);

/* The environment with HOME set to `home` when it is missing or empty. Memory that is not freed before the exec. */
char **command_environment(const struct container_spec *spec, const char *home, struct error *error);

#endif
