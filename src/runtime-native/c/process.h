/* The last part of every start: a process that is in the container already becomes its command. */
#ifndef TSBUILD_PROCESS_H
#define TSBUILD_PROCESS_H

#include "init.h"
#include "mounts.h"
#include "target.h"

/* What was found out on the way, for process_start. */
struct process {
  const struct init *init;
  const struct mount_set *mounts;
  int root;
};

/* Only returns after a failure. */
int process_start(const struct process *process, struct target_maker *maker, struct error *error);

#endif
