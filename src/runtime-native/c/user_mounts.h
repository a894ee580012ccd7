/* The mounts that a container is asked to have, and the files of /etc that the caller provides. */
#ifndef TSBUILD_USER_MOUNTS_H
#define TSBUILD_USER_MOUNTS_H

#include "error.h"
#include "spec.h"
#include "standard_mounts.h"
#include "target.h"

#define ETC_FILES 3

struct user_mounts {
  /* One descriptor of a detached mount for each mount of the description, in its order. */
  int mounts[SPEC_MOUNTS_MAX];
  /* hosts, resolv.conf, hostname; -1 when not given. */
  int etc[ETC_FILES];
};

/* Opens the sources and makes the mounts, while the host's files are in reach. */
int user_mounts_open(const struct container_spec *spec, struct user_mounts *mounts, struct error *error);

/* Attaches them, with targets resolved inside the root and made where they are missing. */
int user_mounts_attach(const struct container_spec *spec, const struct user_mounts *mounts,
                       const struct standard_mounts *standard, const struct target_maker *maker, struct error *error);

#endif
