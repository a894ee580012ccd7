/* Directories of the cgroup file systems: where a container's group goes, and the ones above it. */
#ifndef TSBUILD_CGROUP_PLACE_H
#define TSBUILD_CGROUP_PLACE_H

#include "cgroup.h"

/* The groups are <where the caller is>/tsbuild/<id>.<pid of the supervisor>. */
#define CGROUP_PARENT "tsbuild"

/*
 * Opens the group below which the container's goes: that of the caller, or the one that `parent` names, which is made
 * if it is missing; `hierarchy->path` becomes its path. -1 with errno.
 */
int cgroup_open_base(struct cgroup_hierarchy *hierarchy, const char *parent);

/*
 * Opens `name` in a group, made if it is missing; *made tells. With version 1 its sets of processors and memory nodes
 * are those of the group above: they are empty at first, and then no process can join. -1 with errno.
 */
int cgroup_make(int directory, const char *name, const char *controllers, bool *made);

/*
 * Removes a group and those below it, which a container that may write to its own has made. -1 with errno, EBUSY while a
 * process is left in one.
 */
int cgroup_remove_group(int parent, const char *name);

/* Removes the directory `tsbuild` at `path`, and the parents that were made for it, as far as they are empty. */
void cgroup_remove_above(const struct cgroup_hierarchy *hierarchy, const char *path);

#endif
