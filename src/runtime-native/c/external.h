/*
 * A container that another OCI runtime makes, such as runc or crun: tsbuild makes its bundle, the runtime the rest.
 *
 * The process that would have become the command stays, as the first one of a pid namespace around the container: it mounts
 * the root in a mount namespace of its own, calls `create` and `start`, and ends as the command does. So whatever kills it
 * ends the runtime and the container, and leaves neither a mount nor a state. It is in the container's control groups, as is
 * all that it starts; the runtime is told to make none.
 */
#ifndef TSBUILD_EXTERNAL_H
#define TSBUILD_EXTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "identity.h"
#include "init.h"

/* Where the bundle is in that mount namespace, under a path that fits the address of a socket. */
#define EXTERNAL_BUNDLE "/run/tsbuild"
#define EXTERNAL_ROOT EXTERNAL_BUNDLE "/rootfs"
/* The control groups as the container may see them. */
#define EXTERNAL_CGROUP EXTERNAL_BUNDLE "/cgroup"
/* Mounts that are on one of the runtime's, by their number. */
#define EXTERNAL_MOUNTS EXTERNAL_BUNDLE "/mounts"

struct external_bundle {
  const struct init *init;
  /* The root, attached; the new namespace's proc. */
  int root;
  int proc;
  struct identity identity;
  /* Free of links. */
  char cwd[PATH_MAX];
  /* The mounts that config.json has; all others are in the root already. */
  bool is_passed[SPEC_MOUNTS_MAX];
};

/* Makes the bundle but for its config.json, with every mount of the user in its place. */
int external_bundle_make(struct external_bundle *bundle, const struct init *init, struct error *error);

/* Writes config.json: what init.c would do with the same description. */
int external_config_write(const struct external_bundle *bundle, struct error *error);

/* linux.seccomp: the rules of tsbuild's own containers by their names. */
void external_seccomp_write(FILE *out);

/* Returns only after a failure; ends with the exit status of the command. */
int external_run(const struct init *init, struct error *error);

#endif
