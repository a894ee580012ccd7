/*
 * The container's control group: for its limits and the device rules, for telling an out-of-memory kill, and as one
 * handle on all its processes. Where no hierarchy can be written, a container without limits runs without.
 */
#ifndef TSBUILD_CGROUP_H
#define TSBUILD_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "spec.h"

/* Memory of a container's costs time at its start, so there is as little of it as serves. */
#define CGROUP_PATH_MAX 1024
#define CGROUP_HIERARCHIES_MAX 24
#define CGROUP_NAME_MAX 160

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

struct cgroup_hierarchy {
  /* Comma-separated, as in /proc/self/cgroup; empty for version 2. */
  char controllers[128];
  /* Name of its directory in /sys/fs/cgroup. */
  char name[128];
  /* Host directory of the container's group, or of the caller's where the container has none of its own. */
  char path[CGROUP_PATH_MAX];
  /* The part of `path` that is the mount point. */
  size_t top_size;
  /* The group, if it is the container's own; else -1. */
  int directory;
};

struct cgroup {
  enum cgroup_version version;
  struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
  size_t count;
  /* The groups of the caller. */
  const struct cgroup *found;
  /* The last part of the groups' paths. */
  char name[CGROUP_NAME_MAX];
  const struct cgroup_resources *resources;
  /* The kills in the caller's group before the container started, where it has no counter of its own. */
  uint64_t kills_before;
};

/*
 * Makes the groups of a container below those of `found`, or where its description says, with the limits in effect. Both
 * must outlive the groups.
 */
int cgroup_create(struct cgroup *cgroup, const struct cgroup *found, const struct container_spec *spec,
                  struct error *error);

/* Makes a group in one more hierarchy of version 1, that of `controller`, below the caller's wherever the others are. */
int cgroup_extend(struct cgroup *cgroup, const char *controller, struct error *error);

/* The hierarchy in which the container has a group of its own with the controller; NULL if there is none. */
struct cgroup_hierarchy *cgroup_with(struct cgroup *cgroup, const char *controller);

/* The group that clone3 can start the process in; -1 if there is none. */
int cgroup_v2_directory(const struct cgroup *cgroup);

/* Moves a process into the group of version 2 that clone3 has not put it in. */
int cgroup_join_v2(const struct cgroup *cgroup, pid_t pid, struct error *error);

/* Moves this process, which must have one thread, into the groups of version 1. */
int cgroup_join_self(const struct cgroup *cgroup, struct error *error);

/*
 * Kills what is in the groups and removes them. False when the kernel has not let go of one yet: to be called again, a
 * little later.
 */
bool cgroup_remove(struct cgroup *cgroup);

#endif
