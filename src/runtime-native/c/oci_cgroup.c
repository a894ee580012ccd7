#include "oci_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cgroup_files.h"
#include "cgroup_find.h"
#include "cgroup_place.h"
#include "cgroup_v2.h"
#include "cleanup.h"
#include "device_rules.h"
#include "io.h"
#include "stage.h"

/* Engines pause, watch and limit a container that runs, so that it has the groups for that from the start. */
static bool is_wanted(const struct cgroup *cgroup, const struct cgroup_hierarchy *hierarchy,
                      const struct container_spec *spec) {
  static const char *const always[] = {"devices", "freezer", "memory", "cpu", "cpuacct", "cpuset", "pids", "blkio"};
  if (cgroup->version == CGROUP_V2)
    return true;
  for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
    if (cgroup_has_word(hierarchy->controllers, always[i]))
      return true;
  }
  for (size_t i = 0; i < spec->cgroup_setting_count; i++) {
    if (cgroup_has_word(hierarchy->controllers, spec->cgroup_settings[i].controller))
      return true;
  }
  return false;
}

/*
 * Passes on to the groups below what engines watch and limit, now or by `update`, and what the settings need; a failure shows
 * when a setting is made.
 */
static void delegate(int group, const struct container_spec *spec) {
  static const char *const always[] = {"cpuset", "cpu", "io", "memory", "pids"};
  for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
    cgroup_v2_delegate(group, always[i]);
  for (size_t i = 0; i < spec->cgroup_setting_count; i++)
    cgroup_v2_delegate(group, spec->cgroup_settings[i].controller);
}

/* Opens `path` below the open group, made where it is missing. */
static int make_path(enum cgroup_version version, const struct cgroup_hierarchy *hierarchy, int top, char *path,
                     const struct container_spec *spec) {
  cleanup_fd int at = steal_fd(&top);
  char *rest = path;
  for (char *part; (part = strsep(&rest, "/")) != NULL;) {
    bool made;
    if (part[0] == '\0')
      continue;
    if (version == CGROUP_V2)
      delegate(at, spec);
    int next = cgroup_make(at, part, hierarchy->controllers, &made);
    if (next < 0)
      return -1;
    close(at);
    at = next;
  }
  return steal_fd(&at);
}

/*
 * Whether the path names a group and stays below where it starts. What is in the group is killed and removed with the
 * container, so it may not be the top with all that runs on the machine.
 */
static bool is_own_path(const char *path) {
  bool named = false;
  for (size_t length; *path != '\0'; path += length + (path[length] == '/')) {
    length = strcspn(path, "/");
    if ((length == 1 && path[0] == '.') || (length == 2 && strncmp(path, "..", 2) == 0))
      return false;
    named = named || length > 0;
  }
  return named;
}

/*
 * In two rounds: a limit of memory may not pass that of memory and swap, nor a quota its period, so that which of two comes first
 * depends on what they were.
 */
static int write_settings(const struct cgroup *cgroup, const struct cgroup_hierarchy *hierarchy,
                          const struct container_spec *spec, struct error *error) {
  bool failed = false;
  for (unsigned round = 0; round == 0 || (round == 1 && failed); round++) {
    for (size_t i = 0; i < spec->cgroup_setting_count; i++) {
      const struct cgroup_setting *setting = &spec->cgroup_settings[i];
      if (cgroup->version == CGROUP_V1 && !cgroup_has_word(hierarchy->controllers, setting->controller))
        continue;
      if (cgroup_write_file(hierarchy->directory, setting->file, setting->value) == 0)
        continue;
      failed = true;
      if (round == 1)
        return fail(error, STAGE_CGROUP, errno, "%s/%s = %s", hierarchy->path, setting->file, setting->value);
    }
  }
  return 0;
}

static int apply_settings(const struct cgroup *cgroup, const struct cgroup_hierarchy *hierarchy,
                          const struct container_spec *spec, struct error *error) {
  if (write_settings(cgroup, hierarchy, spec, error) < 0)
    return -1;
  if (spec->device_rules == NULL)
    return 0;
  int result = cgroup->version == CGROUP_V2
                   ? device_rules_v2(hierarchy->directory, spec->device_rules, spec->device_rule_count)
               : cgroup_has_word(hierarchy->controllers, "devices")
                   ? device_rules_v1(hierarchy->directory, spec->device_rules, spec->device_rule_count)
                   : 0;
  return result < 0 ? fail(error, STAGE_CGROUP, errno, "%s: device rules", hierarchy->path) : 0;
}

static int make_group(struct cgroup *cgroup, struct cgroup_hierarchy *hierarchy, const struct container_spec *spec,
                      struct error *error) {
  const char *wanted = spec->cgroup_path;
  char path[PATH_MAX], copy[PATH_MAX];
  int length;
  if (wanted != NULL && wanted[0] != '\0' && !is_own_path(wanted))
    return fail(error, STAGE_CGROUP, EINVAL, "%s", wanted);
  if (wanted == NULL || wanted[0] == '\0')
    length = snprintf(path, sizeof path, "/tsbuild/%s", spec->id);
  else if (wanted[0] == '/')
    length = snprintf(path, sizeof path, "%s", wanted);
  else
    length = snprintf(path, sizeof path, "%s/%s", hierarchy->path + hierarchy->top_size, wanted);
  /* Before it is made: what is removed by a path that was cut could be another's. */
  if (length >= (int)sizeof path || hierarchy->top_size + (size_t)length >= sizeof hierarchy->path)
    return fail(error, STAGE_CGROUP, ENAMETOOLONG, "%s", path);
  hierarchy->path[hierarchy->top_size] = '\0';
  cleanup_fd int top = open(hierarchy->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  memcpy(copy, path, sizeof copy);
  hierarchy->directory = top < 0 ? -1 : make_path(cgroup->version, hierarchy, steal_fd(&top), copy, spec);
  if (hierarchy->directory < 0)
    return fail(error, STAGE_CGROUP, errno, "%s%s", hierarchy->path, path);
  memcpy(hierarchy->path + hierarchy->top_size, path, (size_t)length + 1);
  return apply_settings(cgroup, hierarchy, spec, error);
}

int oci_cgroup_create(struct cgroup *cgroup, const struct cgroup *found, const struct container_spec *spec,
                      struct error *error) {
  cgroup->version = found->version;
  cgroup->count = found->count;
  memcpy(cgroup->hierarchies, found->hierarchies, found->count * sizeof found->hierarchies[0]);
  for (size_t i = 0; i < spec->cgroup_setting_count; i++) {
    bool known = cgroup->version == CGROUP_V2;
    for (size_t j = 0; j < cgroup->count; j++)
      known = known || cgroup_has_word(cgroup->hierarchies[j].controllers, spec->cgroup_settings[i].controller);
    if (!known)
      return fail(error, STAGE_CGROUP, ENOENT, "no control groups for %s", spec->cgroup_settings[i].file);
  }
  for (size_t i = 0; i < cgroup->count; i++) {
    if (!is_wanted(cgroup, &cgroup->hierarchies[i], spec) ||
        make_group(cgroup, &cgroup->hierarchies[i], spec, error) == 0)
      continue;
    for (size_t made = 0; made <= i; made++) {
      if (cgroup->hierarchies[made].directory >= 0)
        oci_cgroup_remove(cgroup->hierarchies[made].path);
    }
    return -1;
  }
  return 0;
}

/* The hierarchy that a path is on; NULL for none. */
static const struct cgroup_hierarchy *hierarchy_of(const struct cgroup *found, const char *path) {
  for (size_t i = 0; i < found->count; i++) {
    const struct cgroup_hierarchy *hierarchy = &found->hierarchies[i];
    if (strncmp(path, hierarchy->path, hierarchy->top_size) == 0 && path[hierarchy->top_size] == '/')
      return hierarchy;
  }
  return NULL;
}

int oci_cgroup_open(struct cgroup *cgroup, const struct json *groups, struct error *error) {
  static struct cgroup found;
  if (cgroup_find(&found, error) < 0)
    return -1;
  *cgroup = (struct cgroup){.version = found.version};
  for (const struct json *group = groups == NULL ? NULL : groups->first; group != NULL; group = group->next) {
    const struct cgroup_hierarchy *on = group->kind == JSON_STRING ? hierarchy_of(&found, group->text) : NULL;
    if (on == NULL || cgroup->count == CGROUP_HIERARCHIES_MAX)
      continue;
    struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[cgroup->count];
    *hierarchy = *on;
    hierarchy->directory = open(group->text, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (hierarchy->directory < 0)
      continue;
    cgroup->count++;
    if (snprintf(hierarchy->path, sizeof hierarchy->path, "%s", group->text) >= (int)sizeof hierarchy->path)
      return fail(error, STAGE_CGROUP, ENAMETOOLONG, "%s", group->text);
  }
  return 0;
}

void oci_cgroup_close(struct cgroup *cgroup) {
  for (size_t i = 0; i < cgroup->count; i++)
    cleanup_fd_at(&cgroup->hierarchies[i].directory);
}

bool oci_cgroup_is_frozen(const struct json *groups) {
  static const char *const files[] = {"freezer.state", "cgroup.freeze"};
  for (const struct json *group = groups == NULL ? NULL : groups->first; group != NULL; group = group->next) {
    cleanup_fd int directory = group->kind == JSON_STRING ? open(group->text, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    for (size_t i = 0; directory >= 0 && i < sizeof files / sizeof files[0]; i++) {
      char text[16] = "";
      cleanup_fd int fd = openat(directory, files[i], O_RDONLY | O_CLOEXEC);
      if (fd >= 0 && read_all(fd, text, sizeof text - 1) > 0 && (text[0] == 'F' || text[0] == '1'))
        return true;
    }
  }
  return false;
}

int oci_cgroup_apply(const struct cgroup *cgroup, const struct container_spec *spec, struct error *error) {
  for (size_t i = 0; i < cgroup->count; i++) {
    if (write_settings(cgroup, &cgroup->hierarchies[i], spec, error) < 0)
      return -1;
  }
  return 0;
}

/* Calls itself for every group below. The container may have made some. */
static void walk(int parent, const char *name, void (*at_group)(void *context, int parent, const char *name),
                 void *context) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *entries = fd < 0 ? NULL : fdopendir(fd);
  if (entries == NULL) {
    cleanup_fd_at(&fd);
    return;
  }
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      walk(fd, entry->d_name, at_group, context);
  }
  closedir(entries);
  at_group(context, parent, name);
}

struct each {
  void (*use)(void *context, pid_t pid);
  void *context;
};

static void use_group(void *context, int parent, const char *name) {
  const struct each *each = context;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/cgroup.procs", name);
  cleanup_fd int fd = openat(parent, path, O_RDONLY | O_CLOEXEC);
  cleanup_free uint8_t *text = NULL;
  size_t size;
  if (fd < 0 || read_to_end(fd, 4u << 20, &text, &size) < 0)
    return;
  char *rest = (char *)text;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    long pid = strtol(line, NULL, 10);
    if (pid > 1)
      each->use(each->context, (pid_t)pid);
  }
}

void oci_cgroup_each(const char *path, void (*use)(void *context, pid_t pid), void *context) {
  struct each each = {use, context};
  walk(AT_FDCWD, path, use_group, &each);
}

static void kill_one(void *context, pid_t pid) {
  (void)context;
  kill(pid, SIGKILL);
}

void oci_cgroup_kill(const char *path) {
  cleanup_fd int group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (group < 0 || cgroup_write_file(group, "cgroup.kill", "1") == 0)
    return;
  oci_cgroup_each(path, kill_one, NULL);
}

static void remove_group(void *context, int parent, const char *name) {
  if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
    *(int *)context = errno;
}

int oci_cgroup_remove(const char *path) {
  int code = 0;
  /* The kernel lets go of a group a moment after its last process was reaped. */
  for (unsigned attempt = 0; attempt < 40; attempt++) {
    code = 0;
    walk(AT_FDCWD, path, remove_group, &code);
    if (code != EBUSY)
      break;
    oci_cgroup_kill(path);
    const struct timespec pause = {.tv_nsec = 1000000L << (attempt < 6 ? attempt : 6)};
    nanosleep(&pause, NULL);
  }
  errno = code;
  return code == 0 ? 0 : -1;
}
