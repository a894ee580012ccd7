/* The process that sets up the container from inside and then becomes its command. */
#ifndef TSBUILD_INIT_H
#define TSBUILD_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "cgroup.h"
#include "spec.h"

struct init {
  const struct container_spec *spec;
  const struct cgroup *cgroup;
  /* Reports go out here; one byte comes in when the supervisor has put the process into its groups. */
  int socket;
  /* The process's stdio, unless it gets a terminal. */
  int stdio[3];
  /* The soft limit on open files as it was before the caller raised its own. */
  uint64_t open_files;
  /* Of the caller's terminal; 0 rows when there is none. */
  struct winsize terminal_size;
};

/* Runs in the new namespaces; ends in the container's command, or in an exit after a failure was reported. */
_Noreturn void init_run(const struct init *init);

#endif
