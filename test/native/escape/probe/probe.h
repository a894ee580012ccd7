/* Attempts to get out of a container or to gain rights in it. Each asks the kernel for something that harms nobody when it
 * is granted, and returns what the call returned: a value below 0 with errno is a refusal. */
#ifndef PROBE_H
#define PROBE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

struct attempt {
  const char *name;
  long (*try_it)(void);
};

/* A process that is not in the container. */
extern pid_t outside;

/* Tables end with a name that is NULL. */
extern const struct attempt mount_attempts[];
extern const struct attempt namespace_attempts[];
extern const struct attempt process_attempts[];
extern const struct attempt outside_attempts[];
extern const struct attempt first_attempts[];
extern const struct attempt network_attempts[];
extern const struct attempt kernel_attempts[];
extern const struct attempt device_attempts[];
extern const struct attempt file_attempts[];
extern const struct attempt capability_attempts[];

#endif
