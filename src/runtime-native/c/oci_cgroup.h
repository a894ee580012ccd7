/* The control groups of a container whose place config.json decides, and which outlive the process that made them. */
#ifndef TSBUILD_OCI_CGROUP_H
#define TSBUILD_OCI_CGROUP_H

#include "cgroup.h"
#include "json.h"
#include "spec.h"

/* Makes them at linux.cgroupsPath, with the settings in effect. What was made is removed after a failure. */
int oci_cgroup_create(struct cgroup *cgroup, const struct cgroup *found, const struct container_spec *spec,
                      struct error *error);

/* The groups of a container that was created, by the paths that its state has. What is gone is left out. `oci_cgroup_close` after it. */
int oci_cgroup_open(struct cgroup *cgroup, const struct json *groups, struct error *error);
void oci_cgroup_close(struct cgroup *cgroup);

/* Whether its processes are frozen. */
bool oci_cgroup_is_frozen(const struct json *groups);

/* Makes the settings of a description in the groups; those that depend on another, whatever their order. */
int oci_cgroup_apply(const struct cgroup *cgroup, const struct container_spec *spec, struct error *error);

/* Each for the group at a path, with the groups below it: `use` for every process; the removal waits for the kernel. */
void oci_cgroup_each(const char *path, void (*use)(void *context, pid_t pid), void *context);
void oci_cgroup_kill(const char *path);
int oci_cgroup_remove(const char *path);

#endif
