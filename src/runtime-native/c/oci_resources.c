/* linux.resources of a config.json as what is written to the files of a control group; see oci_config.h. */
#include <inttypes.h>
#include <string.h>

#include "cgroup_limits.h"
#include "oci_config.h"
#include "oci_read.h"

struct target {
  struct container_spec *spec;
  enum cgroup_version version;
  struct error *error;
};

static int add(const struct target *target, const struct json *cause, const char *controller, const char *file,
               const char *value) {
  struct container_spec *spec = target->spec;
  if (spec->cgroup_settings == NULL)
    spec->cgroup_settings = spec_allocate(spec, SPEC_CGROUP_SETTINGS_MAX * sizeof *spec->cgroup_settings);
  if (spec->cgroup_settings == NULL || value == NULL || spec->cgroup_setting_count == SPEC_CGROUP_SETTINGS_MAX)
    return oci_reject(target->error, cause, "is one setting too many");
  spec->cgroup_settings[spec->cgroup_setting_count++] = (struct cgroup_setting){controller, file, value};
  return 0;
}

/* A number of `object` that goes to one file as it is; NULL where a version has none. */
struct number_file {
  const char *name;
  const char *controller;
  const char *v1;
  const char *v2;
  int64_t lowest;
};

/* What version 2 calls no limit. */
static const char *number_text(const struct target *target, int64_t number) {
  return number == -1 && target->version == CGROUP_V2 ? "max" : spec_format(target->spec, "%" PRId64, number);
}

static int add_numbers(const struct target *target, const struct json *object, const struct number_file *files,
                       size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct json *value = json_get(object, files[i].name);
    const char *file = target->version == CGROUP_V2 ? files[i].v2 : files[i].v1;
    int64_t number = 0;
    if (value == NULL)
      continue;
    if (oci_number(object, files[i].name, files[i].lowest, INT64_MAX, &number, target->error) < 0)
      return -1;
    /* Docker writes 0 for what was not asked for. */
    if (number == 0 && files[i].lowest != 0)
      continue;
    if (file == NULL)
      return oci_reject(target->error, value, "is not known to control groups of version %d",
                        target->version == CGROUP_V2 ? 2 : 1);
    if (add(target, value, files[i].controller, file, number_text(target, number)) < 0)
      return -1;
  }
  return 0;
}

static int add_swap(const struct target *target, const struct json *memory) {
  const struct json *value = json_get(memory, "swap");
  int64_t swap = 0, limit = 0;
  if (oci_number(memory, "swap", -1, INT64_MAX, &swap, target->error) < 0 ||
      oci_number(memory, "limit", -1, INT64_MAX, &limit, target->error) < 0)
    return -1;
  if (value == NULL || swap == 0)
    return 0;
  if (target->version != CGROUP_V2)
    return add(target, value, "memory", "memory.memsw.limit_in_bytes", number_text(target, swap));
  /* Version 2 counts swap apart, the specification both together. */
  if (swap > 0 && (limit <= 0 || limit > swap))
    return oci_reject(target->error, value, "is less than the limit of memory, or without one");
  return add(target, value, "memory", "memory.swap.max", number_text(target, swap > 0 ? swap - limit : swap));
}

static int add_memory(const struct target *target, const struct json *resources) {
  static const char *const unsupported[] = {"checkBeforeUpdate"};
  static const struct number_file files[] = {
      {"limit", "memory", "memory.limit_in_bytes", "memory.max", -1},
      {"reservation", "memory", "memory.soft_limit_in_bytes", "memory.low", -1},
      {"kernel", "memory", "memory.kmem.limit_in_bytes", NULL, -1},
      {"kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", NULL, -1},
      {"swappiness", "memory", "memory.swappiness", NULL, 0},
  };
  const struct json *memory;
  bool disabled = false, hierarchy = true;
  if (oci_object(resources, "memory", &memory, target->error) < 0 ||
      oci_unsupported(memory, unsupported, OCI_COUNT(unsupported), target->error) < 0 ||
      oci_bool(memory, "disableOOMKiller", &disabled, target->error) < 0 ||
      oci_bool(memory, "useHierarchy", &hierarchy, target->error) < 0)
    return -1;
  if (disabled && target->version == CGROUP_V2)
    return oci_reject(target->error, json_get(memory, "disableOOMKiller"),
                      "is not known to control groups of version 2");
  if (disabled && add(target, memory, "memory", "memory.oom_control", "1") < 0)
    return -1;
  if (!hierarchy)
    return oci_reject(target->error, json_get(memory, "useHierarchy"), "cannot be switched off");
  return add_numbers(target, memory, files, OCI_COUNT(files)) < 0 ? -1 : add_swap(target, memory);
}

static int add_cpu(const struct target *target, const struct json *resources) {
  static const struct number_file files[] = {
      {"period", "cpu", "cpu.cfs_period_us", NULL, 1},     {"quota", "cpu", "cpu.cfs_quota_us", NULL, -1},
      {"burst", "cpu", "cpu.cfs_burst_us", "cpu.max.burst", 1}, {"realtimePeriod", "cpu", "cpu.rt_period_us", NULL, 1},
      {"realtimeRuntime", "cpu", "cpu.rt_runtime_us", NULL, 1}, {"idle", "cpu", "cpu.idle", "cpu.idle", 0},
  };
  const struct json *cpu;
  const char *cpus = NULL, *mems = NULL;
  int64_t shares = 0, quota = 0, period = 0;
  if (oci_object(resources, "cpu", &cpu, target->error) < 0)
    return -1;
  if (cpu == NULL)
    return 0;
  if (oci_string(cpu, "cpus", &cpus, target->error) < 0 || oci_string(cpu, "mems", &mems, target->error) < 0 ||
      oci_number(cpu, "shares", 0, INT64_MAX, &shares, target->error) < 0 ||
      oci_number(cpu, "quota", -1, INT64_MAX, &quota, target->error) < 0 ||
      oci_number(cpu, "period", 0, INT64_MAX, &period, target->error) < 0)
    return -1;
  const bool v2 = target->version == CGROUP_V2;
  if (shares > 0 && add(target, cpu, "cpu", v2 ? "cpu.weight" : "cpu.shares",
                        spec_format(target->spec, "%" PRId64, v2 ? (int64_t)cgroup_weight((uint64_t)shares) : shares)) < 0)
    return -1;
  /* One file there; without a second number, the period stays. */
  if (v2 && (quota != 0 || period != 0)) {
    const char *limit = quota > 0 ? spec_format(target->spec, "%" PRId64, quota) : "max";
    const char *both = limit == NULL || period == 0 ? limit : spec_format(target->spec, "%s %" PRId64, limit, period);
    if (add(target, cpu, "cpu", "cpu.max", both) < 0)
      return -1;
  }
  if (cpus != NULL && cpus[0] != '\0' && add(target, cpu, "cpuset", "cpuset.cpus", cpus) < 0)
    return -1;
  if (mems != NULL && mems[0] != '\0' && add(target, cpu, "cpuset", "cpuset.mems", mems) < 0)
    return -1;
  return add_numbers(target, cpu, files + (v2 ? 2 : 0), OCI_COUNT(files) - (v2 ? 2 : 0));
}

static int add_pids(const struct target *target, const struct json *resources) {
  const struct json *pids;
  int64_t limit = 0;
  if (oci_object(resources, "pids", &pids, target->error) < 0 ||
      oci_number(pids, "limit", INT64_MIN, INT64_MAX, &limit, target->error) < 0)
    return -1;
  if (limit == 0)
    return 0;
  return add(target, pids, "pids", "pids.max", limit < 0 ? "max" : spec_format(target->spec, "%" PRId64, limit));
}

static int add_hugepages(const struct target *target, const struct json *resources) {
  const struct json *list;
  if (oci_array(resources, "hugepageLimits", &list, target->error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    const char *size = NULL;
    int64_t limit = -1;
    if (oci_string(item, "pageSize", &size, target->error) < 0 ||
        oci_number(item, "limit", 0, INT64_MAX, &limit, target->error) < 0)
      return -1;
    if (size == NULL || strchr(size, '/') != NULL)
      return oci_missing(target->error, item, "pageSize");
    if (limit < 0)
      return oci_missing(target->error, item, "limit");
    const char *file = spec_format(target->spec, "hugetlb.%s.%s", size,
                                   target->version == CGROUP_V2 ? "max" : "limit_in_bytes");
    if (file == NULL || add(target, item, "hugetlb", file, spec_format(target->spec, "%" PRId64, limit)) < 0)
      return -1;
  }
  return 0;
}

/* Any file of version 2, as it is. */
static int add_unified(const struct target *target, const struct json *resources) {
  const struct json *unified;
  if (oci_object(resources, "unified", &unified, target->error) < 0)
    return -1;
  for (const struct json *item = unified == NULL ? NULL : unified->first; item != NULL; item = item->next) {
    const char *value = oci_item(item, target->error), *dot = strchr(item->name, '.');
    if (value == NULL)
      return -1;
    if (target->version != CGROUP_V2)
      return oci_reject(target->error, item, "needs control groups of version 2");
    if (dot == NULL || strchr(item->name, '/') != NULL || strncmp(item->name, "cgroup.", 7) == 0)
      return oci_reject(target->error, item, "is not a file of a controller");
    if (add(target, item, spec_format(target->spec, "%.*s", (int)(dot - item->name), item->name), item->name, value) < 0)
      return -1;
  }
  return 0;
}

int oci_resources(const struct oci_config *config, enum cgroup_version version, struct container_spec *spec,
                  struct error *error) {
  const struct json *part = json_get(config->document.root, "linux"), *resources;
  if (oci_object(part, "resources", &resources, error) < 0)
    return -1;
  if (resources == NULL)
    return 0;
  return oci_limits(resources, version, spec, error) < 0 ? -1 : oci_device_rules(resources, spec, error);
}

int oci_limits(const struct json *resources, enum cgroup_version version, struct container_spec *spec,
               struct error *error) {
  static const char *const unsupported[] = {"blockIO", "network", "rdma"};
  const struct target target = {spec, version, error};
  /* An object that only has members that ask for nothing is what Docker writes for no limits. */
  for (size_t i = 0; i < OCI_COUNT(unsupported); i++) {
    const struct json *member = json_get(resources, unsupported[i]);
    for (const struct json *item = member == NULL ? NULL : member->first; item != NULL; item = item->next) {
      const char *const name[] = {item->name};
      int64_t number;
      if (item->name == NULL)
        return oci_reject(error, member, "is not an object");
      if (!(json_integer(item, &number) && number == 0) && oci_unsupported(member, name, 1, error) < 0)
        return -1;
    }
  }
  if (add_memory(&target, resources) < 0 || add_cpu(&target, resources) < 0 || add_pids(&target, resources) < 0 ||
      add_hugepages(&target, resources) < 0)
    return -1;
  return add_unified(&target, resources);
}
