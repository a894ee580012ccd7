/* The mounts of a container: made detached while the host is in reach, attached once it no longer is. */
#ifndef TSBUILD_MOUNTS_H
#define TSBUILD_MOUNTS_H

#include "cgroup.h"
#include "error.h"
#include "spec.h"
#include "target.h"

/* Descriptors of detached, then of attached mounts. They live as long as the process before its exec; -1 for none. */
struct mount_set {
  /* In the order of the description. */
  int mounts[SPEC_MOUNTS_MAX];
  /* The parts of the one of kind MOUNT_CGROUP, by hierarchy. */
  int views[CGROUP_HIERARCHIES_MAX];
  /* The container's proc, made here in any case: for what the set-up has to write and look up. */
  int proc;
  /* Those at /sys, /dev and /dev/pts, when they are new file systems. */
  int sys;
  int dev;
  int pts;
  /* Devices of the host where none can be made, in the order of the description. */
  int devices[SPEC_DEVICES_MAX];
  /* The null device that was made here, for masks; never the one found at a path. */
  int null;
};

/* Makes them all, in the namespaces of the container but while the host's files are still in reach. */
int mounts_open(const struct container_spec *spec, const struct cgroup *cgroup, struct mount_set *set,
                struct error *error);

/* Attaches them in their order, with targets resolved inside the root and made where they are missing. */
int mounts_attach(const struct container_spec *spec, const struct cgroup *cgroup, struct mount_set *set,
                  struct target_maker *maker, struct error *error);

/* Hides what tells about or reaches the host: masked and read-only paths. */
int mounts_mask(const struct container_spec *spec, const struct mount_set *set, int root, struct error *error);

/* The root: an overlay, or a copy of a directory's mounts; detached. */
int mount_open_root(const struct container_spec *spec, struct error *error);

/* For mounts.c: the one of kind MOUNT_CGROUP. */
int mount_cgroup_open(const struct mount_spec *mount, const struct container_spec *spec, const struct cgroup *cgroup,
                      struct mount_set *set, struct error *error);
int mount_cgroup_fill(const struct mount_spec *mount, const struct cgroup *cgroup, int top,
                      const struct mount_set *set, struct error *error);

/* For mounts.c: a mount of one of the other kinds. */
int mount_open(const struct mount_spec *mount, struct error *error);

#endif
