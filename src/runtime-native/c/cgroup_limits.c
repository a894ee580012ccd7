#include "cgroup_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cgroup_files.h"
#include "stage.h"

/* sched_cfs_period_us when nothing else was asked for. */
#define DEFAULT_PERIOD 100000

struct list {
  struct cgroup_write *writes;
  size_t count;
};

static struct cgroup_write *add(struct list *list, const char *controller, const char *file, const char *text) {
  struct cgroup_write *write = &list->writes[list->count++];
  *write = (struct cgroup_write){.controller = controller, .file = file, .text = text};
  return write;
}

static struct cgroup_write *add_number(struct list *list, const char *controller, const char *file, int64_t number) {
  struct cgroup_write *write = add(list, controller, file, NULL);
  snprintf(write->number, sizeof write->number, "%" PRId64, number);
  return write;
}

static void add_v1(struct list *list, const struct cgroup_resources *resources) {
  if (resources->memory > 0)
    add_number(list, "memory", "memory.limit_in_bytes", resources->memory);
  if (resources->memory_reservation > 0)
    add_number(list, "memory", "memory.soft_limit_in_bytes", resources->memory_reservation);
  /* After the limit on memory, which it may not be below. */
  if (resources->memory_swap > 0)
    add_number(list, "memory", "memory.memsw.limit_in_bytes", resources->memory_swap);
  else if (resources->memory_swap == CGROUP_SAME)
    add_number(list, "memory", "memory.memsw.limit_in_bytes", resources->memory * 2)->optional = true;
  if (resources->has_swappiness)
    add_number(list, "memory", "memory.swappiness", (int64_t)resources->swappiness);
  if (resources->oom_kill_disable)
    add(list, "memory", "memory.oom_control", "1");
  if (resources->cpu_shares > 0)
    add_number(list, "cpu", "cpu.shares", (int64_t)resources->cpu_shares);
  /* The quota must fit the period. */
  if (resources->cpu_period > 0)
    add_number(list, "cpu", "cpu.cfs_period_us", (int64_t)resources->cpu_period);
  if (resources->cpu_quota != 0)
    add_number(list, "cpu", "cpu.cfs_quota_us", resources->cpu_quota);
}

/* Docs: Documentation/admin-guide/cgroup-v2.rst. There swap is counted on its own. */
static void add_v2(struct list *list, const struct cgroup_resources *resources) {
  if (resources->memory > 0)
    add_number(list, "memory", "memory.max", resources->memory);
  if (resources->memory_reservation > 0)
    add_number(list, "memory", "memory.low", resources->memory_reservation);
  if (resources->memory_swap == CGROUP_UNLIMITED)
    add(list, "memory", "memory.swap.max", "max");
  else if (resources->memory_swap > 0)
    add_number(list, "memory", "memory.swap.max", resources->memory_swap - resources->memory);
  else if (resources->memory_swap == CGROUP_SAME)
    add_number(list, "memory", "memory.swap.max", resources->memory)->optional = true;
  if (resources->cpu_shares > 0)
    add_number(list, "cpu", "cpu.weight", cgroup_weight(resources->cpu_shares));
  if (resources->cpu_quota != 0 || resources->cpu_period > 0) {
    const uint64_t period = resources->cpu_period > 0 ? resources->cpu_period : DEFAULT_PERIOD;
    struct cgroup_write *write = add(list, "cpu", "cpu.max", NULL);
    if (resources->cpu_quota > 0)
      snprintf(write->number, sizeof write->number, "%" PRId64 " %" PRIu64, resources->cpu_quota, period);
    else
      snprintf(write->number, sizeof write->number, "max %" PRIu64, period);
  }
}

int cgroup_limits(enum cgroup_version version, const struct cgroup_resources *resources,
                  struct cgroup_write writes[CGROUP_WRITES_MAX], struct error *error) {
  struct list list = {.writes = writes};
  if (version == CGROUP_V2) {
    if (resources->has_swappiness)
      return fail(error, STAGE_LIMIT, 0, "control groups of version 2 have no swappiness");
    if (resources->oom_kill_disable)
      return fail(error, STAGE_LIMIT, 0, "control groups of version 2 cannot disable the out-of-memory killer");
    add_v2(&list, resources);
  } else {
    add_v1(&list, resources);
  }
  if (resources->cpuset_cpus != NULL)
    add(&list, "cpuset", "cpuset.cpus", resources->cpuset_cpus);
  if (resources->cpuset_mems != NULL)
    add(&list, "cpuset", "cpuset.mems", resources->cpuset_mems);
  if (resources->pids > 0)
    add_number(&list, "pids", "pids.max", resources->pids);
  return (int)list.count;
}

int cgroup_limits_apply(int directory, const struct cgroup_write *writes, size_t count, struct error *error) {
  for (size_t i = 0; i < count; i++) {
    const struct cgroup_write *write = &writes[i];
    const char *text = write->text != NULL ? write->text : write->number;
    if (cgroup_write_file(directory, write->file, text) < 0 && !(write->optional && errno == ENOENT))
      return fail(error, STAGE_LIMIT, errno, "%s = %s", write->file, text);
  }
  return 0;
}

/*
 * The curve that runtimes have agreed on: it goes through the smallest (2, 1), the default (1024, 100) and the largest
 * (262144, 10000), so that a group nobody asked anything for weighs the same in both versions.
 */
unsigned cgroup_weight(uint64_t shares) {
  if (shares <= 2)
    return 1;
  if (shares >= 262144)
    return 10000;
  const double bits = log2((double)shares);
  return (unsigned)ceil(pow(10, (bits * bits + 125 * bits) / 612.0 - 7.0 / 34.0));
}
