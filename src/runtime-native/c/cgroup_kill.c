#include "cgroup_kill.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cgroup_files.h"
#include "cleanup.h"
#include "stage.h"

/* A process that waits for a device may take its time to stop. */
#define ATTEMPTS 100
#define PAUSE_NS 1000000

static void wait_a_little(void) { nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL); }

static bool has_pid(const pid_t *pids, ssize_t count, pid_t pid) {
  for (ssize_t i = 0; i < count; i++) {
    if (pids[i] == pid)
      return true;
  }
  return false;
}

/* A group that has all processes of the container and is not the freezer's; NULL if there is none. */
static const struct cgroup_hierarchy *members(struct cgroup *cgroup) {
  for (size_t i = 0; i < cgroup->count; i++) {
    const struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[i];
    if (hierarchy->directory >= 0 && !cgroup_has_word(hierarchy->controllers, "freezer"))
      return hierarchy;
  }
  return NULL;
}

/*
 * Moves what is in `from` to the frozen group `to`, where each stops: so ever fewer can start others while this goes on.
 * False while some were not there yet.
 */
static bool move_all(int from, int to) {
  cleanup_free pid_t *there = NULL, *here = NULL;
  const ssize_t there_count = cgroup_read_pids(to, &there), here_count = cgroup_read_pids(from, &here);
  bool all = there_count >= 0 && here_count >= 0;
  for (ssize_t i = 0; i < here_count; i++) {
    if (has_pid(there, there_count, here[i]))
      continue;
    char text[16];
    snprintf(text, sizeof text, "%d", (int)here[i]);
    all = false;
    (void)!cgroup_write_file(to, "cgroup.procs", text);
  }
  return all;
}

static bool is_frozen(const struct cgroup *cgroup, int directory) {
  char text[256];
  uint64_t frozen = 0;
  if (cgroup->version == CGROUP_V1)
    return cgroup_read_file(directory, "freezer.state", text, sizeof text) > 0 && strncmp(text, "FROZEN", 6) == 0;
  return cgroup_read_file(directory, "cgroup.events", text, sizeof text) > 0 &&
         cgroup_find_number(text, "frozen", &frozen) && frozen == 1;
}

static int set_frozen(const struct cgroup *cgroup, int directory, bool frozen) {
  if (cgroup->version == CGROUP_V2)
    return cgroup_write_file(directory, "cgroup.freeze", frozen ? "1" : "0");
  return cgroup_write_file(directory, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

/* With version 1 the group of the freezer is made when it is first needed: few containers ever need it. */
static struct cgroup_hierarchy *freezer(struct cgroup *cgroup, struct error *error) {
  struct cgroup_hierarchy *found = cgroup_with(cgroup, "freezer");
  if (found == NULL && cgroup->version == CGROUP_V1 && members(cgroup) != NULL) {
    if (cgroup_extend(cgroup, "freezer", error) < 0)
      return NULL;
    found = cgroup_with(cgroup, "freezer");
  }
  if (found == NULL)
    fail(error, STAGE_CGROUP, ENOTSUP, "no group with a freezer can be made here");
  return found;
}

int cgroup_freeze(struct cgroup *cgroup, struct error *error) {
  const struct cgroup_hierarchy *group = freezer(cgroup, error);
  if (group == NULL)
    return -1;
  if (set_frozen(cgroup, group->directory, true) < 0)
    return fail(error, STAGE_CGROUP, errno, "%s", group->path);
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    const struct cgroup_hierarchy *others = cgroup->version == CGROUP_V1 ? members(cgroup) : NULL;
    const bool complete = others == NULL || move_all(others->directory, group->directory);
    if (complete && is_frozen(cgroup, group->directory))
      return 0;
    /* The first round moves, the second finds nothing left to move. */
    if (attempt > 0)
      wait_a_little();
  }
  set_frozen(cgroup, group->directory, false);
  return fail(error, STAGE_CGROUP, EBUSY, "%s", group->path);
}

int cgroup_thaw(struct cgroup *cgroup, struct error *error) {
  const struct cgroup_hierarchy *group = cgroup_with(cgroup, "freezer");
  if (group == NULL)
    return 0;
  return set_frozen(cgroup, group->directory, false) < 0 ? fail(error, STAGE_CGROUP, errno, "%s", group->path) : 0;
}

static void kill_listed(int directory) {
  cleanup_free pid_t *pids = NULL;
  const ssize_t count = cgroup_read_pids(directory, &pids);
  for (ssize_t i = 0; i < count; i++) {
    if (pids[i] > 1)
      kill(pids[i], SIGKILL);
  }
}

/* Version 1 has no kill of its own: one that forks between the list and its signal would escape, so all are stopped first. */
void cgroup_kill(struct cgroup *cgroup) {
  struct error ignored;
  const int v2 = cgroup_v2_directory(cgroup);
  if (v2 >= 0 && cgroup_write_file(v2, "cgroup.kill", "1") == 0)
    return;
  const struct cgroup_hierarchy *group = members(cgroup);
  cleanup_free pid_t *pids = NULL;
  if (group == NULL || cgroup_read_pids(group->directory, &pids) <= 0)
    return;
  (void)!cgroup_freeze(cgroup, &ignored);
  kill_listed(group->directory);
  /* One that is frozen does not die. */
  (void)!cgroup_thaw(cgroup, &ignored);
}
