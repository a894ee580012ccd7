/* The file systems that every container has: proc, dev with what is below it, sys and the cgroup view. */
#ifndef TSBUILD_STANDARD_MOUNTS_H
#define TSBUILD_STANDARD_MOUNTS_H

#include "cgroup.h"
#include "error.h"
#include "spec.h"
#include "target.h"

/* Detached mounts, then the same descriptors for the attached ones. They live as long as the process before its exec. */
struct standard_mounts {
  int proc;
  int sys;
  int dev;
  int pts;
  int shm;
  int mqueue;
  /* The mount at /sys/fs/cgroup, -1 without any; with version 1 a tmpfs for the views. */
  int cgroup;
  int views[CGROUP_HIERARCHIES_MAX];
  /* The null device that was made here, for masks; never the one found at a path. */
  int null;
};

/* Makes them all, in the namespaces of the container but while the host's files are still in reach. */
int standard_mounts_open(const struct container_spec *spec, const struct cgroup *cgroup, struct standard_mounts *mounts,
                         struct error *error);

/* Attaches them below the root. A mount point that is a link is refused. */
int standard_mounts_attach(const struct container_spec *spec, const struct cgroup *cgroup,
                           struct standard_mounts *mounts, const struct target_maker *maker, struct error *error);

/* Hides what tells about or reaches the host: masked and read-only paths of proc and sys. */
int standard_mounts_mask(const struct standard_mounts *mounts, struct error *error);

#endif
