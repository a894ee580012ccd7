#include "cgroup_resources.h"

#include <string.h>

#include "spec_values.h"
#include "stage.h"

/* The kernel's limits, sched(7). */
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000
#define QUOTA_MIN 1000
#define SHARES_MIN 2
#define SHARES_MAX 262144

enum field {
  FIELD_MEMORY,
  FIELD_RESERVATION,
  FIELD_SWAP,
  FIELD_SWAPPINESS,
  FIELD_OOM_KILL_DISABLE,
  FIELD_SHARES,
  FIELD_PERIOD,
  FIELD_QUOTA,
  FIELD_CPUS,
  FIELD_MEMS,
  FIELD_PIDS,
  FIELD_PARENT,
  FIELD_ACCOUNTING,
  FIELD_COUNT,
};

static const char *const names[FIELD_COUNT] = {
    [FIELD_MEMORY] = "memory",
    [FIELD_RESERVATION] = "memory-reservation",
    [FIELD_SWAP] = "memory-swap",
    [FIELD_SWAPPINESS] = "memory-swappiness",
    [FIELD_OOM_KILL_DISABLE] = "oom-kill-disable",
    [FIELD_SHARES] = "cpu-shares",
    [FIELD_PERIOD] = "cpu-period",
    [FIELD_QUOTA] = "cpu-quota",
    [FIELD_CPUS] = "cpuset-cpus",
    [FIELD_MEMS] = "cpuset-mems",
    [FIELD_PIDS] = "pids",
    [FIELD_PARENT] = "parent",
    [FIELD_ACCOUNTING] = "accounting",
};

static int read_amount(struct parser *parser, int64_t *out) {
  uint64_t number;
  if (spec_read_number(parser, INT64_MAX, &number) < 0)
    return -1;
  *out = (int64_t)number;
  return 0;
}

static int read_amount_or_unlimited(struct parser *parser, int64_t *out) {
  if (strcmp(parser->record->value, "unlimited") != 0)
    return read_amount(parser, out);
  *out = CGROUP_UNLIMITED;
  return 0;
}

static int read_swap(struct parser *parser, int64_t *out) {
  if (strcmp(parser->record->value, "same") != 0)
    return read_amount_or_unlimited(parser, out);
  *out = CGROUP_SAME;
  return 0;
}

/* A list as in cpuset(7); the kernel knows which of the numbers there are. */
static int read_set(struct parser *parser, const char **out) {
  if (spec_read_string(parser, out) < 0)
    return -1;
  const size_t size = parser->record->value_size;
  return size > 0 && size < 1024 && strspn(*out, "0123456789,-") == size ? 0 : spec_reject(parser, "is no list");
}

/* A path whose parts are names: `..` would lead out of where the caller may make groups. */
static int read_parent(struct parser *parser, const char **out) {
  if (spec_read_string(parser, out) < 0)
    return -1;
  if (parser->record->value_size == 0 || parser->record->value_size >= SPEC_PATH_MAX / 2)
    return spec_reject(parser, "has a wrong length");
  for (const char *part = *out; *part != '\0';) {
    const size_t length = strcspn(part, "/");
    if ((length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.') || length > 255)
      return spec_reject(parser, "has a part that is no name");
    part += length + (part[length] == '/');
  }
  return 0;
}

static int read_field(struct parser *parser, struct cgroup_resources *resources, enum field field) {
  switch (field) {
  case FIELD_MEMORY:
    return read_amount(parser, &resources->memory);
  case FIELD_RESERVATION:
    return read_amount(parser, &resources->memory_reservation);
  case FIELD_SWAP:
    return read_swap(parser, &resources->memory_swap);
  case FIELD_SWAPPINESS:
    resources->has_swappiness = true;
    return spec_read_number(parser, 100, &resources->swappiness);
  case FIELD_OOM_KILL_DISABLE:
    return spec_read_bool(parser, &resources->oom_kill_disable);
  case FIELD_SHARES:
    return spec_read_number(parser, INT64_MAX, &resources->cpu_shares);
  case FIELD_PERIOD:
    return spec_read_number(parser, INT64_MAX, &resources->cpu_period);
  case FIELD_QUOTA:
    return read_amount_or_unlimited(parser, &resources->cpu_quota);
  case FIELD_CPUS:
    return read_set(parser, &resources->cpuset_cpus);
  case FIELD_MEMS:
    return read_set(parser, &resources->cpuset_mems);
  case FIELD_PIDS:
    return read_amount_or_unlimited(parser, &resources->pids);
  case FIELD_PARENT:
    return read_parent(parser, &resources->parent);
  case FIELD_ACCOUNTING:
    return spec_read_bool(parser, &resources->accounting);
  case FIELD_COUNT:
    break;
  }
  return spec_reject(parser, "is not a known key");
}

int cgroup_resources_read(struct parser *parser, struct cgroup_resources *resources, const char *field) {
  for (unsigned i = 0; i < FIELD_COUNT; i++) {
    if (strcmp(field, names[i]) != 0)
      continue;
    if (parser->seen_resources & (1u << i))
      return spec_reject(parser, "appears twice");
    parser->seen_resources |= 1u << i;
    return read_field(parser, resources, (enum field)i);
  }
  return spec_reject(parser, "is not a known key");
}

static int refuse(struct error *error, enum field field, const char *why) {
  return fail(error, STAGE_SPEC, 0, "resource.%s: %s", names[field], why);
}

int cgroup_resources_check(const struct cgroup_resources *resources, struct error *error) {
  if (resources->memory < 0 || resources->memory > INT64_MAX / 2 || resources->memory_reservation < 0)
    return refuse(error, FIELD_MEMORY, "is out of range");
  if (resources->memory_swap < CGROUP_SAME)
    return refuse(error, FIELD_SWAP, "is negative");
  if ((resources->memory_swap > 0 && resources->memory_swap < resources->memory) ||
      (resources->memory == 0 && (resources->memory_swap > 0 || resources->memory_swap == CGROUP_SAME)))
    return refuse(error, FIELD_SWAP, "is memory and swap together, so not less than a limit on memory");
  if (resources->memory > 0 && resources->memory_reservation > resources->memory)
    return refuse(error, FIELD_RESERVATION, "is above the limit on memory");
  if (resources->has_swappiness && resources->swappiness > 100)
    return refuse(error, FIELD_SWAPPINESS, "is above 100");
  if (resources->cpu_shares > 0 && (resources->cpu_shares < SHARES_MIN || resources->cpu_shares > SHARES_MAX))
    return refuse(error, FIELD_SHARES, "is not in 2 to 262144");
  if (resources->cpu_period > 0 && (resources->cpu_period < PERIOD_MIN || resources->cpu_period > PERIOD_MAX))
    return refuse(error, FIELD_PERIOD, "is not in 1000 to 1000000");
  if (resources->cpu_quota < CGROUP_UNLIMITED || (resources->cpu_quota > 0 && resources->cpu_quota < QUOTA_MIN))
    return refuse(error, FIELD_QUOTA, "is below 1000");
  if (resources->pids < CGROUP_UNLIMITED)
    return refuse(error, FIELD_PIDS, "is negative");
  return 0;
}

bool cgroup_resources_need(const struct cgroup_resources *resources, const char *controller) {
  if (strcmp(controller, "memory") == 0)
    return resources->memory > 0 || resources->memory_reservation > 0 || resources->memory_swap != 0 ||
           resources->has_swappiness || resources->oom_kill_disable;
  if (strcmp(controller, "cpu") == 0)
    return resources->cpu_shares > 0 || resources->cpu_period > 0 || resources->cpu_quota != 0;
  if (strcmp(controller, "cpuset") == 0)
    return resources->cpuset_cpus != NULL || resources->cpuset_mems != NULL;
  if (strcmp(controller, "pids") == 0)
    return resources->pids > 0;
  return false;
}
