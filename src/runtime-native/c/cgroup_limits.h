/* Limits as what is written to the files of a group. */
#ifndef TSBUILD_CGROUP_LIMITS_H
#define TSBUILD_CGROUP_LIMITS_H

#include <stddef.h>

#include "cgroup.h"
#include "cgroup_resources.h"

#define CGROUP_WRITES_MAX 16

struct cgroup_write {
  const char *controller;
  const char *file;
  /* What to write, or NULL for `number`. */
  const char *text;
  char number[48];
  /* Nobody asked for it: a kernel without the file does as well. */
  bool optional;
};

/*
 * In the order in which the kernel takes them. -1 with `error` filled for a limit that the version does not know.
 */
int cgroup_limits(enum cgroup_version version, const struct cgroup_resources *resources,
                  struct cgroup_write writes[CGROUP_WRITES_MAX], struct error *error);

/* Writes them to a group. */
int cgroup_limits_apply(int directory, const struct cgroup_write *writes, size_t count, struct error *error);

/* The weight of version 2, 1 to 10000, that is next to the shares of version 1. */
unsigned cgroup_weight(uint64_t shares);

#endif
