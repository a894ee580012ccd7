/* What a container may use of the machine, and how that is read from its description. */
#ifndef TSBUILD_CGROUP_RESOURCES_H
#define TSBUILD_CGROUP_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define CGROUP_UNLIMITED (-1)
/* Of swap: as much as of memory, where the kernel counts it. */
#define CGROUP_SAME (-2)

struct parser;

/* Zeroed, it limits nothing. Sizes are in bytes, times in microseconds; 0 and NULL mean not given. */
struct cgroup_resources {
  int64_t memory;
  int64_t memory_reservation;
  /* Memory and swap together, CGROUP_UNLIMITED or CGROUP_SAME. */
  int64_t memory_swap;
  bool has_swappiness;
  /* 0 to 100. */
  uint64_t swappiness;
  bool oom_kill_disable;
  /* As in version 1: 1024 is the share of a group that nothing was asked for. */
  uint64_t cpu_shares;
  uint64_t cpu_period;
  int64_t cpu_quota;
  /* Lists of numbers and ranges. */
  const char *cpuset_cpus;
  const char *cpuset_mems;
  int64_t pids;
  /* The group to make the container's in: from the top of the hierarchies if absolute, else from where the caller is. */
  const char *parent;
  /* Also count what costs a group of its own with version 1: processor time, processes, input and output. */
  bool accounting;
};

/* Takes the record `resource.<field>`; for spec.c. */
int cgroup_resources_read(struct parser *parser, struct cgroup_resources *resources, const char *field);

/* The rules that hold wherever the numbers come from. */
int cgroup_resources_check(const struct cgroup_resources *resources, struct error *error);

/* Whether a limit needs the controller, by the name that both versions have for it. */
bool cgroup_resources_need(const struct cgroup_resources *resources, const char *controller);

#endif
