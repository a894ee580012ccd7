#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup_find.h"
#include "cleanup.h"
#include "device_rules.h"
#include "io.h"
#include "stage.h"

/* The groups are <where the caller is>/tsbuild/<id>.<pid of the supervisor>. */
#define PARENT "tsbuild"

static bool is_denied(int code) { return code == EACCES || code == EPERM || code == EROFS || code == ENOSYS; }

/*
 * Whether the process in the name of a group is gone, by the host's /proc: this one may be in another pid namespace. One that
 * nobody has reaped is gone, too.
 */
static bool is_stale(const char *name) {
  const char *dot = strrchr(name, '.');
  if (dot == NULL || dot[1] == '\0' || strspn(dot + 1, "0123456789") != strlen(dot + 1))
    return false;
  char path[32], text[512];
  if (snprintf(path, sizeof path, "/proc/%s/stat", dot + 1) >= (int)sizeof path)
    return false;
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT;
  ssize_t size = read_all(fd, text, sizeof text - 1);
  if (size <= 0)
    return size < 0 && errno == ESRCH;
  text[size] = '\0';
  const char *state = strrchr(text, ')');
  return state != NULL && (strncmp(state, ") Z", 3) == 0 || strncmp(state, ") X", 3) == 0);
}

/* One that still has a process stays: rmdir refuses. */
void cgroup_sweep(const struct cgroup *found) {
  for (size_t i = 0; i < found->count; i++) {
    char path[PATH_MAX + sizeof PARENT + 1];
    snprintf(path, sizeof path, "%s/" PARENT, found->hierarchies[i].path);
    DIR *entries = opendir(path);
    if (entries == NULL)
      continue;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
      if (entry->d_type == DT_DIR && is_stale(entry->d_name))
        unlinkat(dirfd(entries), entry->d_name, AT_REMOVEDIR);
    }
    closedir(entries);
    rmdir(path);
  }
}

static int write_file(int directory, const char *file, const char *text) {
  cleanup_fd int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);
  return fd < 0 ? -1 : write_all(fd, text, strlen(text));
}

/* Only the controllers that are needed: each costs a millisecond to make and to remove. */
static bool is_wanted(const struct cgroup_hierarchy *hierarchy) {
  const char *list = hierarchy->controllers;
  return list[0] == '\0' || strstr(list, "memory") != NULL || strstr(list, "devices") != NULL;
}

static int restrict_devices(enum cgroup_version version, const struct cgroup_hierarchy *hierarchy,
                            const struct container_spec *spec) {
  if (spec->device_rules == NULL)
    return 0;
  if (version == CGROUP_V2)
    return device_rules_v2(hierarchy->directory, spec->device_rules, spec->device_rule_count);
  return strstr(hierarchy->controllers, "devices") == NULL
             ? 0
             : device_rules_v1(hierarchy->directory, spec->device_rules, spec->device_rule_count);
}

/* The descriptor of the new group `name`, -1 with errno. */
static int try_group(enum cgroup_version version, int base, const char *name) {
  if (mkdirat(base, PARENT, 0755) < 0 && errno != EEXIST)
    return -1;
  cleanup_fd int parent = openat(base, PARENT, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (parent < 0)
    return -1;
  if (version == CGROUP_V2) {
    /* Fails where the base has processes of its own; without the controller an out-of-memory kill is not noticed. */
    if (write_file(base, "cgroup.subtree_control", "+memory") == 0)
      (void)!write_file(parent, "cgroup.subtree_control", "+memory");
  }
  if (mkdirat(parent, name, 0755) < 0)
    return -1;
  return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* 0 also when the group cannot be made here; the hierarchy then keeps the caller's. */
static int make_group(enum cgroup_version version, struct cgroup_hierarchy *hierarchy, const char *name,
                      const struct container_spec *spec, struct error *error) {
  cleanup_fd int base = open(hierarchy->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (base < 0)
    return 0;
  /* The last container to end removes the parent, which can be between two steps of this one. */
  for (int attempt = 0; attempt < 100; attempt++) {
    hierarchy->directory = try_group(version, base, name);
    if (hierarchy->directory >= 0 || (errno != ENOENT && errno != ENODEV))
      break;
  }
  if (hierarchy->directory < 0)
    return is_denied(errno) ? 0 : fail(error, STAGE_CGROUP, errno, "%s/" PARENT "/%s", hierarchy->path, name);
  size_t used = strlen(hierarchy->path);
  int written = snprintf(hierarchy->path + used, sizeof hierarchy->path - used, "/" PARENT "/%s", name);
  if (written < 0 || (size_t)written >= sizeof hierarchy->path - used)
    return fail(error, STAGE_CGROUP, ENAMETOOLONG, "%s", name);
  if (restrict_devices(version, hierarchy, spec) < 0 && !is_denied(errno))
    return fail(error, STAGE_CGROUP, errno, "%s: device rules", hierarchy->path);
  return 0;
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
  char name[160];
  snprintf(name, sizeof name, "%s.%ld", spec->id, host_pid());
  for (size_t i = 0; i < cgroup->count; i++) {
    if (!is_wanted(&cgroup->hierarchies[i]))
      continue;
    if (make_group(cgroup->version, &cgroup->hierarchies[i], name, spec, error) < 0) {
      cgroup_remove(cgroup);
      return -1;
    }
  }
  return 0;
}

int cgroup_v2_directory(const struct cgroup *cgroup) {
  return cgroup->version == CGROUP_V2 ? cgroup->hierarchies[0].directory : -1;
}

int cgroup_join(const struct cgroup *cgroup, pid_t pid, bool in_v2, struct error *error) {
  char text[16];
  snprintf(text, sizeof text, "%d", (int)pid);
  for (size_t i = 0; i < cgroup->count; i++) {
    const struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[i];
    if (hierarchy->directory < 0 || (in_v2 && cgroup->version == CGROUP_V2))
      continue;
    if (write_file(hierarchy->directory, "cgroup.procs", text) < 0)
      return fail(error, STAGE_CGROUP, errno, "%s/cgroup.procs", hierarchy->path);
  }
  return 0;
}

/* The counter `oom_kill N` in a file of the group; 0 if there is none. */
static unsigned long oom_kills(int directory, const char *file) {
  cleanup_fd int fd = openat(directory, file, O_RDONLY | O_CLOEXEC);
  char text[1024];
  ssize_t size = fd < 0 ? -1 : read_all(fd, text, sizeof text - 1);
  if (size < 0)
    return 0;
  text[size] = '\0';
  char *rest = text;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    if (strncmp(line, "oom_kill ", 9) == 0)
      return strtoul(line + 9, NULL, 10);
  }
  return 0;
}

bool cgroup_oom_killed(const struct cgroup *cgroup) {
  const char *file = cgroup->version == CGROUP_V2 ? "memory.events" : "memory.oom_control";
  for (size_t i = 0; i < cgroup->count; i++) {
    if (cgroup->hierarchies[i].directory >= 0 && oom_kills(cgroup->hierarchies[i].directory, file) > 0)
      return true;
  }
  return false;
}

/* Version 1 has no kill of its own; there the end of the pid namespace has killed all, and this is the second net. */
static void kill_all(int directory) {
  if (write_file(directory, "cgroup.kill", "1") == 0)
    return;
  cleanup_fd int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  uint8_t *text = NULL;
  size_t size;
  if (fd < 0 || read_to_end(fd, 1u << 20, &text, &size) < 0)
    return;
  char *rest = (char *)text;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    long pid = strtol(line, NULL, 10);
    if (pid > 1)
      kill((pid_t)pid, SIGKILL);
  }
  free(text);
}

bool cgroup_remove(struct cgroup *cgroup) {
  bool all = true;
  for (size_t i = 0; i < cgroup->count; i++) {
    struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[i];
    if (hierarchy->directory < 0)
      continue;
    if (rmdir(hierarchy->path) < 0 && errno == EBUSY) {
      kill_all(hierarchy->directory);
      all = false;
      continue;
    }
    close(hierarchy->directory);
    hierarchy->directory = -1;
    /* The parent too, if nothing else is in it: left behind it would keep the caller's own group from being removed. */
    *strrchr(hierarchy->path, '/') = '\0';
    rmdir(hierarchy->path);
  }
  return all;
}
