#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup_events.h"
#include "cgroup_files.h"
#include "cgroup_kill.h"
#include "cgroup_limits.h"
#include "cgroup_place.h"
#include "cgroup_sweep.h"
#include "cgroup_v2.h"
#include "cleanup.h"
#include "device_rules.h"
#include "stage.h"

static bool is_denied(int code) { return code == EACCES || code == EPERM || code == EROFS || code == ENOSYS; }

/* Only the controllers that are needed: each has its price at the start and at the end. */
static bool is_wanted(const struct cgroup_hierarchy *hierarchy, const struct cgroup_resources *resources) {
  static const char *const counting[] = {"cpuacct", "cpu", "pids", "blkio"};
  static const char *const limiting[] = {"cpu", "cpuset", "pids"};
  const char *list = hierarchy->controllers;
  if (cgroup_has_word(list, "memory") || cgroup_has_word(list, "devices"))
    return true;
  for (size_t i = 0; resources->accounting && i < sizeof counting / sizeof counting[0]; i++) {
    if (cgroup_has_word(list, counting[i]))
      return true;
  }
  for (size_t i = 0; i < sizeof limiting / sizeof limiting[0]; i++) {
    if (cgroup_has_word(list, limiting[i]) && cgroup_resources_need(resources, limiting[i]))
      return true;
  }
  return false;
}

/* The descriptor of the new group of version 1, whose parent's path is then the hierarchy's; -1 with errno. */
static int try_group(const struct cgroup *cgroup, struct cgroup_hierarchy *hierarchy, const char *above) {
  cleanup_fd int base = cgroup_open_base(hierarchy, above);
  if (base < 0)
    return -1;
  bool made;
  cleanup_fd int parent = cgroup_make(base, CGROUP_PARENT, hierarchy->controllers, &made);
  return parent < 0 ? -1 : cgroup_make(parent, cgroup->name, hierarchy->controllers, &made);
}

/* 0 also when the group cannot be made here; the hierarchy then keeps the caller's. */
static int make_v1(struct cgroup *cgroup, size_t index, const char *above, struct error *error) {
  struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[index];
  const struct cgroup_hierarchy *found = &cgroup->found->hierarchies[index];
  /* The last container to end removes the directories above, which can be between two steps of this one. */
  for (int attempt = 0; attempt < 100; attempt++) {
    *hierarchy = *found;
    hierarchy->directory = try_group(cgroup, hierarchy, above);
    if (hierarchy->directory >= 0 || (errno != ENOENT && errno != ENODEV))
      break;
  }
  if (hierarchy->directory < 0) {
    const int code = errno;
    if (!is_denied(code) || above != NULL)
      return fail(error, STAGE_CGROUP, code, "%s/" CGROUP_PARENT "/%s", hierarchy->path, cgroup->name);
    *hierarchy = *found;
    return 0;
  }
  if (above != NULL)
    cgroup_sweep_below(hierarchy);
  size_t used = strlen(hierarchy->path);
  int written =
      snprintf(hierarchy->path + used, sizeof hierarchy->path - used, "/" CGROUP_PARENT "/%s", cgroup->name);
  if (written < 0 || (size_t)written >= sizeof hierarchy->path - used)
    return fail(error, STAGE_CGROUP, ENAMETOOLONG, "%s", cgroup->name);
  return 0;
}

static int make_groups(struct cgroup *cgroup, struct error *error) {
  if (cgroup->version == CGROUP_V2)
    return cgroup_v2_make(cgroup, error);
  for (size_t i = 0; i < cgroup->count; i++) {
    if (is_wanted(&cgroup->hierarchies[i], cgroup->resources) &&
        make_v1(cgroup, i, cgroup->resources->parent, error) < 0)
      return -1;
  }
  return 0;
}

struct cgroup_hierarchy *cgroup_with(struct cgroup *cgroup, const char *controller) {
  for (size_t i = 0; i < cgroup->count; i++) {
    struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[i];
    if (hierarchy->directory >= 0 &&
        (cgroup->version == CGROUP_V2 || cgroup_has_word(hierarchy->controllers, controller)))
      return hierarchy;
  }
  return NULL;
}

static int set_limits(struct cgroup *cgroup, struct error *error) {
  struct cgroup_write writes[CGROUP_WRITES_MAX];
  const int count = cgroup_limits(cgroup->version, cgroup->resources, writes, error);
  if (count < 0)
    return -1;
  for (int i = 0; i < count; i++) {
    const struct cgroup_hierarchy *hierarchy = cgroup_with(cgroup, writes[i].controller);
    if (hierarchy == NULL)
      return fail(error, STAGE_LIMIT, 0, "no control group with the %s controller can be made here",
                  writes[i].controller);
    if (cgroup_limits_apply(hierarchy->directory, &writes[i], 1, error) < 0)
      return -1;
  }
  return 0;
}

static int restrict_devices(struct cgroup *cgroup, const struct container_spec *spec, struct error *error) {
  const struct cgroup_hierarchy *hierarchy = cgroup_with(cgroup, "devices");
  if (hierarchy == NULL || spec->device_rules == NULL)
    return 0;
  const int result = cgroup->version == CGROUP_V2
                         ? device_rules_v2(hierarchy->directory, spec->device_rules, spec->device_rule_count)
                         : device_rules_v1(hierarchy->directory, spec->device_rules, spec->device_rule_count);
  return result < 0 && !is_denied(errno) ? fail(error, STAGE_CGROUP, errno, "%s: device rules", hierarchy->path) : 0;
}

/* This process as the host's /proc shows it: it may be in a pid namespace of its own. */
static long host_pid(void) {
  char text[16];
  ssize_t size = readlink("/proc/self", text, sizeof text - 1);
  if (size <= 0)
    return (long)getpid();
  text[size] = '\0';
  return strtol(text, NULL, 10);
}

int cgroup_create(struct cgroup *cgroup, const struct cgroup *found, const struct container_spec *spec,
                  struct error *error) {
  *cgroup = *found;
  cgroup->found = found;
  cgroup->resources = &spec->resources;
  snprintf(cgroup->name, sizeof cgroup->name, "%s.%ld", spec->id, host_pid());
  if (make_groups(cgroup, error) < 0 || set_limits(cgroup, error) < 0 || restrict_devices(cgroup, spec, error) < 0) {
    cgroup_remove(cgroup);
    return -1;
  }
  cgroup_watch_kills(cgroup);
  return 0;
}

int cgroup_extend(struct cgroup *cgroup, const char *controller, struct error *error) {
  for (size_t i = 0; i < cgroup->count; i++) {
    if (cgroup_has_word(cgroup->hierarchies[i].controllers, controller))
      return make_v1(cgroup, i, NULL, error);
  }
  return 0;
}

int cgroup_v2_directory(const struct cgroup *cgroup) {
  return cgroup->version == CGROUP_V2 ? cgroup->hierarchies[0].directory : -1;
}

int cgroup_join_v2(const struct cgroup *cgroup, pid_t pid, struct error *error) {
  char text[16];
  const int directory = cgroup_v2_directory(cgroup);
  snprintf(text, sizeof text, "%d", (int)pid);
  if (directory >= 0 && cgroup_write_file(directory, "cgroup.procs", text) < 0)
    return fail(error, STAGE_CGROUP, errno, "%s/cgroup.procs", cgroup->hierarchies[0].path);
  return 0;
}

/*
 * By `tasks` and not `cgroup.procs`: the kernel takes no lock of all processes for a thread that moves itself, and so waits
 * for no RCU grace period, which is up to some milliseconds.
 */
int cgroup_join_self(const struct cgroup *cgroup, struct error *error) {
  for (size_t i = 0; i < cgroup->count && cgroup->version == CGROUP_V1; i++) {
    const struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[i];
    if (hierarchy->directory >= 0 && cgroup_write_file(hierarchy->directory, "tasks", "0") < 0)
      return fail(error, STAGE_CGROUP, errno, "%s/tasks", hierarchy->path);
  }
  return 0;
}

bool cgroup_remove(struct cgroup *cgroup) {
  bool all = true;
  for (size_t i = 0; i < cgroup->count; i++) {
    struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[i];
    if (hierarchy->directory < 0)
      continue;
    if (cgroup_remove_group(AT_FDCWD, hierarchy->path) < 0 && errno == EBUSY) {
      all = false;
      continue;
    }
    cleanup_fd_at(&hierarchy->directory);
    /* What is above it too, if nothing else is in it: left behind it would keep the caller's own group from being removed. */
    *strrchr(hierarchy->path, '/') = '\0';
    cgroup_remove_above(hierarchy, hierarchy->path);
  }
  if (!all)
    cgroup_kill(cgroup);
  return all;
}
