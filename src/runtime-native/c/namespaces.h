/* The namespaces of a container beyond what clone3 makes: joined ones, id maps, clocks. */
#ifndef TSBUILD_NAMESPACES_H
#define TSBUILD_NAMESPACES_H

#include <sys/types.h>

#include "error.h"
#include "spec.h"

/* Opens those to be joined; `joins` has room for all, and the caller closes them. */
int namespaces_open(const struct container_spec *spec, int *joins, struct error *error);

/* In the parent, around the start of the process: prepares what only a new process can enter, and undoes it for later ones. */
int namespaces_prepare(const struct container_spec *spec, const int *joins, struct error *error);
int namespaces_restore(const struct container_spec *spec, struct error *error);

/* In the parent: who the ids of the new process's user namespace are. */
int namespaces_map_ids(const struct container_spec *spec, pid_t pid, struct error *error);

/* In the new process: joins the others, and becomes root of a user namespace of its own. */
int namespaces_enter(const struct container_spec *spec, const int *joins, struct error *error);

/* The flags of clone3. */
uint64_t namespaces_flags(const struct container_spec *spec);

#endif
