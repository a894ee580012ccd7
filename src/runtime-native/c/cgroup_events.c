#include "cgroup_events.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cgroup_files.h"
#include "cleanup.h"

/* The counter `oom_kill` of a file of the group; false if there is none. */
static bool read_kills(int directory, const char *file, uint64_t *kills) {
  char text[1024];
  return cgroup_read_file(directory, file, text, sizeof text) > 0 && cgroup_find_number(text, "oom_kill", kills);
}

/*
 * Version 2 counts for a whole subtree in memory.events and for the group alone in memory.events.local, and a mount
 * option makes the first like the second: what either says.
 */
static bool count_kills(enum cgroup_version version, int directory, uint64_t *kills) {
  if (version == CGROUP_V1)
    return read_kills(directory, "memory.oom_control", kills);
  uint64_t all = 0, local = 0;
  const bool has_all = read_kills(directory, "memory.events", &all);
  const bool has_local = read_kills(directory, "memory.events.local", &local);
  *kills = all > local ? all : local;
  return has_all || has_local;
}

/* The counter of the nearest group at or above the caller's that has one; 0 if none has. */
static uint64_t count_outside(const struct cgroup *cgroup) {
  for (size_t i = 0; i < cgroup->count; i++) {
    const struct cgroup_hierarchy *hierarchy = &cgroup->found->hierarchies[i];
    if (cgroup->version == CGROUP_V1 && !cgroup_has_word(hierarchy->controllers, "memory"))
      continue;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", hierarchy->path);
    while (strlen(path) > hierarchy->top_size) {
      cleanup_fd int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      uint64_t kills;
      if (directory >= 0 && count_kills(cgroup->version, directory, &kills))
        return kills;
      *strrchr(path, '/') = '\0';
    }
  }
  return 0;
}

/* Whether the container's own group has a counter. */
static bool count_inside(struct cgroup *cgroup, uint64_t *kills) {
  const struct cgroup_hierarchy *own = cgroup_with(cgroup, "memory");
  return own != NULL && count_kills(cgroup->version, own->directory, kills);
}

void cgroup_watch_kills(struct cgroup *cgroup) {
  uint64_t kills;
  if (!count_inside(cgroup, &kills))
    cgroup->kills_before = count_outside(cgroup);
}

bool cgroup_oom_killed(struct cgroup *cgroup, unsigned exit_code) {
  uint64_t kills;
  if (cgroup->found == NULL)
    return false;
  if (count_inside(cgroup, &kills))
    return kills > 0;
  return exit_code == 128 + SIGKILL && count_outside(cgroup) > cgroup->kills_before;
}
