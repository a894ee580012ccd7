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
  /* Reports go out here; one byte comes in when the process is in its groups, and one when hooks were run. */
  int socket;
  /* The network namespace to enter; -1 to stay in the caller's. */
  int network;
  /* The process's stdio, unless it gets a terminal; -1 where it keeps what it has. */
  int stdio[3];
  /* The soft limit on open files as it was before the caller raised its own. */
  uint64_t open_files;
  /* Of the caller's terminal; 0 rows when there is none. */
  struct winsize terminal_size;
  /* The namespaces to join, in the order of the description. */
  int joins[SPEC_NAMESPACES_MAX];
  /* It does not end with the process that started it. */
  bool outlives_parent;
  /* A byte that comes here lets the command start; -1 to start it at once. */
  int gate;
  /* Stays in the caller's session keyring instead of one of its own. */
  bool keeps_keyring;
  /* So many descriptors from 3 on go to the command. */
  unsigned preserved_fds;
  /* What hooks get on their stdin: the state of the container, with room for the process id (state_pid.h); may be NULL. */
  char *state;
};

/* Runs in the new namespaces; ends in the container's command, or in an exit after a failure was reported. */
_Noreturn void init_run(const struct init *init);

#endif
