#include "cgroup_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cgroup_files.h"
#include "cleanup.h"
#include "io.h"
#include "stage.h"

#define PROC_FILE_MAX (4u << 20)

/* Undoes the octal escapes of mountinfo in place. */
static void unescape(char *text) {
  char *to = text;
  for (const char *from = text; *from != '\0';) {
    if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
        from[3] <= '7') {
      *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
      from += 4;
    } else {
      *to++ = *from++;
    }
  }
  *to = '\0';
}

/* Whether every one of the comma-separated `words` is in `list`. */
static bool has_words(const char *list, const char *words) {
  char copy[128];
  if (snprintf(copy, sizeof copy, "%s", words) >= (int)sizeof copy)
    return false;
  char *rest = copy;
  for (char *word; (word = strsep(&rest, ",")) != NULL;) {
    if (word[0] == '\0' || !cgroup_has_word(list, word))
      return false;
  }
  return true;
}

struct mount_line {
  char *root;
  char *point;
  char *type;
  char *options;
};

/* id parent major:minor root point options [tags] - type source super-options */
static bool parse_mount_line(char *line, struct mount_line *mount) {
  char *fields[5];
  for (size_t i = 0; i < 5; i++) {
    fields[i] = strsep(&line, " ");
    if (line == NULL)
      return false;
  }
  char *tail = strstr(line, "- ");
  if (tail == NULL)
    return false;
  tail += 2;
  mount->root = fields[3];
  mount->point = fields[4];
  mount->type = strsep(&tail, " ");
  if (tail == NULL)
    return false;
  strsep(&tail, " ");
  if (tail == NULL)
    return false;
  mount->options = tail;
  unescape(mount->root);
  unescape(mount->point);
  return true;
}

/* Whether the path goes up: a group outside of the root of the cgroup namespace is shown that way (cgroup_namespaces(7)). */
static bool goes_up(const char *path) {
  for (const char *at = path; (at = strstr(at, "/..")) != NULL; at += 3) {
    if (at[3] == '/' || at[3] == '\0')
      return true;
  }
  return false;
}

/* The host directory of the group `path` in a hierarchy of which `root` is mounted at `point`. */
static bool group_directory(const struct mount_line *mount, const char *path, char *out, size_t size) {
  const char *below = path;
  if (strcmp(mount->root, "/") != 0) {
    size_t length = strlen(mount->root);
    if (strncmp(path, mount->root, length) == 0 && (path[length] == '/' || path[length] == '\0'))
      below = path + length;
    else
      below = ""; /* The mount shows a part that does not hold this process: its top is all that can be used. */
  }
  if (strcmp(below, "/") == 0 || goes_up(below))
    below = "";
  int written = snprintf(out, size, "%s%s", mount->point, below);
  return written > 0 && (size_t)written < size;
}

static void add_hierarchy(struct cgroup *cgroup, const struct mount_line *mount, const char *controllers,
                          const char *path) {
  if (cgroup->count >= CGROUP_HIERARCHIES_MAX)
    return;
  for (size_t i = 0; i < cgroup->count; i++) {
    if (strcmp(cgroup->hierarchies[i].controllers, controllers) == 0)
      return;
  }
  struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[cgroup->count];
  const char *name = strrchr(mount->point, '/');
  name = name == NULL ? mount->point : name + 1;
  if (snprintf(hierarchy->controllers, sizeof hierarchy->controllers, "%s", controllers) >=
          (int)sizeof hierarchy->controllers ||
      snprintf(hierarchy->name, sizeof hierarchy->name, "%s", name) >= (int)sizeof hierarchy->name ||
      !group_directory(mount, path, hierarchy->path, sizeof hierarchy->path))
    return;
  hierarchy->top_size = strlen(mount->point);
  hierarchy->directory = -1;
  cgroup->count++;
}

/* The hierarchies of one version: joins the lines of /proc/self/cgroup and /proc/self/mountinfo. */
static void join_lines(struct cgroup *cgroup, char *groups, char *mounts, bool v2) {
  for (char *line; (line = strsep(&mounts, "\n")) != NULL;) {
    struct mount_line mount;
    if (!parse_mount_line(line, &mount) || strcmp(mount.type, v2 ? "cgroup2" : "cgroup") != 0)
      continue;
    char copy[16384];
    if (snprintf(copy, sizeof copy, "%s", groups) >= (int)sizeof copy)
      return;
    char *rest = copy;
    for (char *group; (group = strsep(&rest, "\n")) != NULL;) {
      strsep(&group, ":");
      char *controllers = group == NULL ? NULL : strsep(&group, ":");
      if (group == NULL || (controllers[0] == '\0') != v2)
        continue;
      if (v2 || has_words(mount.options, controllers))
        add_hierarchy(cgroup, &mount, controllers, group);
    }
  }
}

static int read_proc(const char *path, char **text, struct error *error) {
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t size;
  if (fd < 0 || read_to_end(fd, PROC_FILE_MAX, (uint8_t **)text, &size) < 0)
    return fail(error, STAGE_CGROUP, errno, "%s", path);
  return 0;
}

int cgroup_parse(struct cgroup *cgroup, char *groups, char *mounts, struct error *error) {
  cleanup_free char *copy = strdup(mounts);
  if (copy == NULL)
    return fail(error, STAGE_CGROUP, errno, "memory");
  cgroup->count = 0;
  cgroup->version = CGROUP_V1;
  join_lines(cgroup, groups, mounts, false);
  for (size_t i = 0; i < cgroup->count; i++) {
    if (strncmp(cgroup->hierarchies[i].controllers, "name=", 5) != 0)
      return 0;
  }
  cgroup->count = 0;
  cgroup->version = CGROUP_V2;
  join_lines(cgroup, groups, copy, true);
  if (cgroup->count > 1)
    cgroup->count = 1;
  if (cgroup->count == 0)
    cgroup->version = CGROUP_NONE;
  return 0;
}

int cgroup_find(struct cgroup *cgroup, struct error *error) {
  cleanup_free char *groups = NULL, *mounts = NULL;
  if (read_proc("/proc/self/cgroup", &groups, error) < 0 || read_proc("/proc/self/mountinfo", &mounts, error) < 0)
    return -1;
  return cgroup_parse(cgroup, groups, mounts, error);
}
