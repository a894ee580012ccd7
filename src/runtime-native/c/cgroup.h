/*
 * The container's control group: for the device rules, for telling an out-of-memory kill, and as one handle on all its
 * processes. Where no hierarchy can be written, the container runs without.
 */
#ifndef TSBUILD_CGROUP_H
#define TSBUILD_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "spec.h"

/* Memory of a container's costs time at its start, so there is as little of it as serves. */
#define CGROUP_PATH_MAX 1024
#define CGROUP_HIERARCHIES_MAX 24

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

struct cgroup_hierarchy {
  /* Comma-separated, as in /proc/self/cgroup; empty for version 2. */
  char controllers[128];
  /* Name of its directory in /sys/fs/cgroup. */
  char name[128];
  /* Host directory of the container's group, or of the caller's where the container has none of its own. */
  char path[CGROUP_PATH_MAX];
  /* The group, if it is the container's own; else -1. */
  int directory;
};

struct cgroup {
  enum cgroup_version version;
  struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
  size_t count;
};

/* Removes the groups that killed runtimes left in the hierarchies that cgroup_find has found. */
void cgroup_sweep(const struct cgroup *found);

/* Makes the groups of a container in the hierarchies that cgroup_find has found. */
int cgroup_create(struct cgroup *cgroup, const struct cgroup *found, const struct container_spec *spec,
                  struct error *error);

/* The group that clone3 can start the process in; -1 if there is none. */
int cgroup_v2_directory(const struct cgroup *cgroup);

/* Moves the process into every group that it is not in yet. `in_v2` tells that clone3 did its part. */
int cgroup_join(const struct cgroup *cgroup, pid_t pid, bool in_v2, struct error *error);

/* Whether the kernel killed a process of the group for want of memory. */
bool cgroup_oom_killed(const struct cgroup *cgroup);

/*
 * Kills what is in the groups and removes them. False when the kernel has not let go of one yet: to be called again, a
 * little later.
 */
bool cgroup_remove(struct cgroup *cgroup);

#endif
