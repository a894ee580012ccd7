#include "cgroup_v2.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroup_files.h"
#include "cgroup_place.h"
#include "cgroup_sweep.h"
#include "cleanup.h"
#include "stage.h"

static const char *const known[] = {"cpuset", "cpu", "memory", "pids"};
/* Wanted for what they count; nothing fails without them. */
static const char *const counters[] = {"memory", "cpu", "io", "pids"};

#define COUNT(array) (sizeof array / sizeof array[0])

static bool delegates(int directory, const char *controller) {
  char text[512];
  return cgroup_read_file(directory, "cgroup.subtree_control", text, sizeof text) >= 0 &&
         cgroup_has_word(text, controller);
}

/*
 * Only leaves of the hierarchy may have processes (cgroups(7), "no internal processes"). The kernel keeps to that with EBUSY for
 * `memory` and `io` alone: with the others a group that has some becomes the root of a threaded subtree, and no process can
 * join those below it. The top of the hierarchy, which has no type, may have both.
 */
static bool may_delegate(int directory) {
  char text[2];
  return faccessat(directory, "cgroup.type", F_OK, 0) < 0 ||
         cgroup_read_file(directory, "cgroup.procs", text, sizeof text) == 0;
}

bool cgroup_v2_delegate(int directory, const char *controller) {
  char text[32];
  snprintf(text, sizeof text, "+%s", controller);
  return delegates(directory, controller) ||
         (may_delegate(directory) && cgroup_write_file(directory, "cgroup.subtree_control", text) == 0);
}

/* Has every group from the top to `path` delegate the controller, as far as that is allowed. Moves no process. */
static void delegate_down(const struct cgroup_hierarchy *hierarchy, const char *path, const char *controller) {
  char part[PATH_MAX];
  snprintf(part, sizeof part, "%s", path);
  for (size_t end = hierarchy->top_size;; end += 1 + strcspn(part + end + 1, "/")) {
    const char kept = part[end];
    part[end] = '\0';
    cleanup_fd int directory = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0)
      cgroup_v2_delegate(directory, controller);
    part[end] = kept;
    if (kept == '\0')
      return;
  }
}

/* Whether groups with all the controllers that are needed can be made below `path`. */
static bool is_suitable(const struct cgroup_hierarchy *hierarchy, const struct cgroup_resources *resources,
                        const char *path) {
  cleanup_fd int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || faccessat(directory, ".", W_OK, AT_EACCESS) < 0)
    return false;
  for (size_t i = 0; i < COUNT(known); i++) {
    if (!cgroup_resources_need(resources, known[i]))
      continue;
    if (!delegates(directory, known[i]))
      delegate_down(hierarchy, path, known[i]);
    if (!delegates(directory, known[i]))
      return false;
  }
  return true;
}

static bool needs_any(const struct cgroup_resources *resources) {
  for (size_t i = 0; i < COUNT(known); i++) {
    if (cgroup_resources_need(resources, known[i]))
      return true;
  }
  return false;
}

/*
 * Where the caller's own group has processes, its shell's for one, it cannot have groups with controllers below it; then
 * the next one above it that can takes the container's, as a sibling of the caller's.
 */
static int find_base(struct cgroup_hierarchy *hierarchy, const struct cgroup_resources *resources, struct error *error) {
  cleanup_fd int base = cgroup_open_base(hierarchy, resources->parent);
  if (base < 0 || !needs_any(resources))
    return steal_fd(&base);
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s", hierarchy->path);
  while (!is_suitable(hierarchy, resources, path)) {
    if (resources->parent != NULL || strlen(path) <= hierarchy->top_size)
      return fail(error, STAGE_LIMIT, 0, "no control group at or above %s can be given the controllers it takes",
                  hierarchy->path);
    *strrchr(path, '/') = '\0';
  }
  strcpy(hierarchy->path, path);
  cleanup_fd_at(&base);
  return open(hierarchy->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The descriptor of the new group; -1 with errno. */
static int try_group(const struct cgroup *cgroup, int base) {
  bool made;
  cleanup_fd int parent = cgroup_make(base, CGROUP_PARENT, "", &made);
  if (parent < 0)
    return -1;
  for (size_t i = 0; i < COUNT(known); i++) {
    if (cgroup_resources_need(cgroup->resources, known[i]))
      cgroup_v2_delegate(parent, known[i]);
  }
  /* Without memory among them, an out-of-memory kill is told by the caller's group. */
  for (size_t i = 0; i < (cgroup->resources->accounting ? COUNT(counters) : 1); i++) {
    if (cgroup_v2_delegate(base, counters[i]))
      cgroup_v2_delegate(parent, counters[i]);
  }
  return mkdirat(parent, cgroup->name, 0755) < 0
             ? -1
             : openat(parent, cgroup->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

int cgroup_v2_make(struct cgroup *cgroup, struct error *error) {
  struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[0];
  const bool needed = needs_any(cgroup->resources) || cgroup->resources->parent != NULL;
  int failure = 0;
  /* The last container to end removes the directories above, which can be between two steps of this one. */
  for (int attempt = 0; attempt < 100; attempt++) {
    *hierarchy = cgroup->found->hierarchies[0];
    *error = (struct error){0};
    cleanup_fd int base = find_base(hierarchy, cgroup->resources, error);
    if (base < 0 && error->stage != 0)
      return -1;
    hierarchy->directory = base < 0 ? -1 : try_group(cgroup, base);
    if (hierarchy->directory >= 0)
      break;
    failure = errno;
    if (failure != ENOENT && failure != ENODEV)
      break;
  }
  if (hierarchy->directory < 0) {
    if (!needed && (failure == EACCES || failure == EPERM || failure == EROFS)) {
      *hierarchy = cgroup->found->hierarchies[0];
      return 0;
    }
    return fail(error, STAGE_CGROUP, failure, "%s/" CGROUP_PARENT "/%s", hierarchy->path, cgroup->name);
  }
  if (cgroup->resources->parent != NULL)
    cgroup_sweep_below(hierarchy);
  const size_t used = strlen(hierarchy->path);
  const int written = snprintf(hierarchy->path + used, sizeof hierarchy->path - used, "/" CGROUP_PARENT "/%s",
                               cgroup->name);
  if (written < 0 || (size_t)written >= sizeof hierarchy->path - used)
    return fail(error, STAGE_CGROUP, ENAMETOOLONG, "%s", cgroup->name);
  return 0;
}
