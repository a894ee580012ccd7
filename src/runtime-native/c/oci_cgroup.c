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

#include "cgroup_find.h"
#include "cleanup.h"
#include "device_rules.h"
#include "io.h"
#include "stage.h"

static int write_file(int directory, const char *file, const char *text) {
  cleanup_fd int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);
  return fd < 0 ? -1 : write_all(fd, text, strlen(text));
}

/* Whether the comma-separated `list` has `word`. */
static bool has_word(const char *list, const char *word) {
  size_t length = strlen(word);
  for (const char *at = list; (at = strstr(at, word)) != NULL; at += length) {
    if ((at == list || at[-1] == ',') && (at[length] == '\0' || at[length] == ','))
      return true;
  }
  return false;
}

/* Engines pause, watch and limit a container that runs, so that it has the groups for that from the start. */
static bool is_wanted(const struct cgroup *cgroup, const struct cgroup_hierarchy *hierarchy,
                      const struct container_spec *spec) {
  static const char *const always[] = {"devices", "freezer", "memory", "cpu", "cpuacct", "cpuset", "pids", "blkio"};
  if (cgroup->version == CGROUP_V2)
    return true;
  for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
    if (has_word(hierarchy->controllers, always[i]))
      return true;
  }
  for (size_t i = 0; i < spec->cgroup_setting_count; i++) {
    if (has_word(hierarchy->controllers, spec->cgroup_settings[i].controller))
      return true;
  }
  return false;
}

/* Sets of processors and memory nodes are empty in a new group of version 1, which then takes no process. */
static void inherit_sets(int parent, int group) {
  static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
  for (size_t i = 0; i < 2; i++) {
    char text[4096];
    cleanup_fd int fd = openat(parent, files[i], O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read_all(fd, text, sizeof text - 1);
    if (size <= 0)
      continue;
    text[size] = '\0';
    cleanup_fd int own = openat(group, files[i], O_RDONLY | O_CLOEXEC);
    char now[2] = "";
    if (own >= 0 && read_all(own, now, 1) == 1 && now[0] == '\n')
      (void)!write_file(group, files[i], text);
  }
}

/* Passes on to the groups below what the settings need; a failure shows when a setting is made. */
static void delegate(int group, const struct container_spec *spec) {
  for (size_t i = 0; i < spec->cgroup_setting_count; i++) {
    char text[64];
    snprintf(text, sizeof text, "+%s", spec->cgroup_settings[i].controller);
    (void)!write_file(group, "cgroup.subtree_control", text);
  }
}

/* Opens `path` below the open group, made where it is missing. */
static int make_path(enum cgroup_version version, const struct cgroup_hierarchy *hierarchy, int top, char *path,
                     const struct container_spec *spec) {
  cleanup_fd int at = steal_fd(&top);
  char *rest = path;
  for (char *part; (part = strsep(&rest, "/")) != NULL;) {
    if (part[0] == '\0')
      continue;
    if (version == CGROUP_V2)
      delegate(at, spec);
    if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
      return -1;
    int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (next < 0)
      return -1;
    if (has_word(hierarchy->controllers, "cpuset"))
      inherit_sets(at, next);
    close(at);
    at = next;
  }
  return steal_fd(&at);
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
      if (cgroup->version == CGROUP_V1 && !has_word(hierarchy->controllers, setting->controller))
        continue;
      if (write_file(hierarchy->directory, setting->file, setting->value) == 0)
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
               : has_word(hierarchy->controllers, "devices")
                   ? device_rules_v1(hierarchy->directory, spec->device_rules, spec->device_rule_count)
                   : 0;
  return result < 0 ? fail(error, STAGE_CGROUP, errno, "%s: device rules", hierarchy->path) : 0;
}

static int make_group(struct cgroup *cgroup, struct cgroup_hierarchy *hierarchy, const struct container_spec *spec,
                      struct error *error) {
  const char *wanted = spec->cgroup_path;
  char path[PATH_MAX], copy[PATH_MAX];
  int length;
  if (wanted == NULL || wanted[0] == '\0')
    length = snprintf(path, sizeof path, "/tsbuild/%s", spec->id);
  else if (wanted[0] == '/')
    length = snprintf(path, sizeof path, "%s", wanted);
  else
    length = snprintf(path, sizeof path, "%s/%s", hierarchy->path + hierarchy->top_size, wanted);
  if (length >= (int)sizeof path || strstr(path, "/../") != NULL)
    return fail(error, STAGE_CGROUP, EINVAL, "%s", wanted);
  hierarchy->path[hierarchy->top_size] = '\0';
  cleanup_fd int top = open(hierarchy->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  memcpy(copy, path, sizeof copy);
  hierarchy->directory = top < 0 ? -1 : make_path(cgroup->version, hierarchy, steal_fd(&top), copy, spec);
  if (hierarchy->directory < 0)
    return fail(error, STAGE_CGROUP, errno, "%s%s", hierarchy->path, path);
  length = snprintf(hierarchy->path + hierarchy->top_size, sizeof hierarchy->path - hierarchy->top_size, "%s", path);
  if ((size_t)length >= sizeof hierarchy->path - hierarchy->top_size)
    return fail(error, STAGE_CGROUP, ENAMETOOLONG, "%s", path);
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
      known = known || has_word(cgroup->hierarchies[j].controllers, spec->cgroup_settings[i].controller);
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
  if (group < 0 || write_file(group, "cgroup.kill", "1") == 0)
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
