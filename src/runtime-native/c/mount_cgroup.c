/* The container's view of its control groups; see mounts.h. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "mount_fs.h"
#include "mounts.h"
#include "stage.h"
#include "syscalls.h"
#include "userns.h"

static int open_view(const char *path, uint64_t flags, struct error *error) {
  cleanup_fd int view =
      sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
  if (view < 0 || mount_set_flags(view, flags, false) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", path);
  return steal_fd(&view);
}

static int open_new(const char *type, const struct fs_option *options, uint64_t flags, struct error *error) {
  int mount = mount_fs_open(type, strcmp(type, "cgroup2") == 0 ? "cgroup" : type, options, (unsigned)flags);
  return mount < 0 ? fail(error, STAGE_MOUNT, errno, "%s", type) : mount;
}

int mount_cgroup_open(const struct mount_spec *mount, const struct container_spec *spec, const struct cgroup *cgroup,
                      struct mount_set *set, struct error *error) {
  const uint64_t flags = mount->flags.set;
  switch (cgroup->version) {
  case CGROUP_NONE:
    /* Nothing to show; but where /sys is the host's, its groups are none of the container's business (CVE-2022-0492). */
    return userns_is_initial() ? -1 : open_new("tmpfs", NULL, flags, error);
  case CGROUP_V1:
    /* A view of each group that the container has; of the others it would show what else runs on the machine. */
    for (size_t i = 0; i < cgroup->count; i++) {
      if (cgroup->hierarchies[i].directory >= 0 &&
          (set->views[i] = open_view(cgroup->hierarchies[i].path, flags, error)) < 0)
        return -1;
    }
    return open_new("tmpfs", (const struct fs_option[]){{"mode", "755"}, {NULL, NULL}},
                    flags & ~(uint64_t)MOUNT_ATTR_RDONLY, error);
  case CGROUP_V2:
    /* Without a namespace of its own a new mount would show the whole machine. */
    return (spec->namespaces & CLONE_NEWCGROUP) != 0 || cgroup->hierarchies[0].directory < 0
               ? open_new("cgroup2", NULL, flags, error)
               : open_view(cgroup->hierarchies[0].path, flags, error);
  }
  return fail(error, STAGE_MOUNT, EINVAL, "cgroup");
}

static int attach_view(int parent, const char *name, int view, struct error *error) {
  if (mkdirat(parent, name, 0755) < 0)
    return fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup/%s", name);
  cleanup_fd int target = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0 || mount_attach(view, target) < 0)
    return fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup/%s", name);
  if (strchr(name, ',') == NULL)
    return 0;
  /* `cpu` and `cpuacct` lead to `cpu,cpuacct`. */
  char copy[128];
  snprintf(copy, sizeof copy, "%s", name);
  char *rest = copy;
  for (char *word; (word = strsep(&rest, ",")) != NULL;) {
    if (symlinkat(name, parent, word) < 0 && errno != EEXIST)
      return fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup/%s", word);
  }
  return 0;
}

int mount_cgroup_fill(const struct mount_spec *mount, const struct cgroup *cgroup, int top,
                      const struct mount_set *set, struct error *error) {
  if (cgroup->version != CGROUP_V1)
    return 0;
  for (size_t i = 0; i < cgroup->count; i++) {
    if (set->views[i] >= 0 && attach_view(top, cgroup->hierarchies[i].name, set->views[i], error) < 0)
      return -1;
  }
  if ((mount->flags.set & MOUNT_ATTR_RDONLY) && mount_set_flags(top, MOUNT_ATTR_RDONLY, false) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", mount->target);
  return 0;
}
