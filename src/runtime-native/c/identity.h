/* Who a container's process runs as: a user description looked up in the container's own files. */
#ifndef TSBUILD_IDENTITY_H
#define TSBUILD_IDENTITY_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "spec.h"

struct identity {
  uid_t uid;
  gid_t gid;
  /* The supplementary groups, ascending, the primary one among them. */
  gid_t *groups;
  size_t group_count;
  /* From the passwd entry of the user, `/` without one. */
  char home[PATH_MAX];
};

/*
 * Reads `user`, `uid`, `user:group` and so on. A number means an id and never a name, so it need not be in the files.
 * The files are resolved inside `root`; `proc` is the container's proc. The caller frees `groups`.
 */
int identity_find(int root, int proc, const char *user, struct identity *identity, struct error *error);

/* The ids that the description gives as numbers. The files are only asked for a home, and only when the environment has none. */
int identity_of(int root, int proc, const struct container_spec *spec, struct identity *identity, struct error *error);

#endif
