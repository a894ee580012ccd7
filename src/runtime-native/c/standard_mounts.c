#include "standard_mounts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "devices.h"
#include "mount_fs.h"
#include "stage.h"
#include "syscalls.h"

#define NO_DEVICE_CODE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static int open_fs(const char *type, const char *source, const struct fs_option *options, unsigned attributes,
                   struct error *error) {
  int mount = mount_fs_open(type, source, options, attributes);
  return mount < 0 ? fail(error, STAGE_MOUNT, errno, "%s", type) : mount;
}

/* A view of each group that the container has; of the others it would show what else runs on the machine. */
static int open_views(const struct cgroup *cgroup, unsigned attributes, struct standard_mounts *mounts,
                      struct error *error) {
  for (size_t i = 0; i < cgroup->count; i++) {
    if (cgroup->hierarchies[i].directory < 0)
      continue;
    mounts->views[i] =
        sys_open_tree(AT_FDCWD, cgroup->hierarchies[i].path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    if (mounts->views[i] < 0 || mount_set_flags(mounts->views[i], attributes, false) < 0)
      return fail(error, STAGE_MOUNT, errno, "%s", cgroup->hierarchies[i].path);
  }
  return 0;
}

int standard_mounts_open(const struct container_spec *spec, const struct cgroup *cgroup, struct standard_mounts *mounts,
                         struct error *error) {
  const unsigned readonly = spec->insecure ? 0 : MOUNT_ATTR_RDONLY;
  static const struct fs_option dev_options[] = {{"mode", "755"}, {"size", "65536k"}, {NULL, NULL}};
  static const struct fs_option pts_options[] = {{"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}, {NULL, NULL}};
  char shm_size[24];
  snprintf(shm_size, sizeof shm_size, "%" PRIu64, spec->shm_size_bytes);
  const struct fs_option shm_options[] = {{"mode", "1777"}, {"size", shm_size}, {NULL, NULL}};

  memset(mounts, -1, sizeof *mounts);
  if ((mounts->proc = open_fs("proc", "proc", NULL, NO_DEVICE_CODE, error)) < 0)
    return -1;
  if ((mounts->dev = open_fs("tmpfs", "tmpfs", dev_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME, error)) < 0)
    return -1;
  if ((mounts->pts = open_fs("devpts", "devpts", pts_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, error)) < 0)
    return -1;
  if ((mounts->shm = open_fs("tmpfs", "shm", shm_options, NO_DEVICE_CODE, error)) < 0)
    return -1;
  if ((mounts->mqueue = open_fs("mqueue", "mqueue", NULL, NO_DEVICE_CODE, error)) < 0)
    return -1;
  if ((mounts->sys = open_fs("sysfs", "sysfs", NULL, NO_DEVICE_CODE | readonly, error)) < 0)
    return -1;
  switch (cgroup->version) {
  case CGROUP_NONE:
    return 0;
  case CGROUP_V1:
    mounts->cgroup =
        open_fs("tmpfs", "tmpfs", (const struct fs_option[]){{"mode", "755"}, {NULL, NULL}}, NO_DEVICE_CODE, error);
    return mounts->cgroup < 0 ? -1 : open_views(cgroup, NO_DEVICE_CODE | readonly, mounts, error);
  case CGROUP_V2:
    mounts->cgroup = open_fs("cgroup2", "cgroup", NULL, NO_DEVICE_CODE | readonly, error);
    return mounts->cgroup < 0 ? -1 : 0;
  }
  return fail(error, STAGE_MOUNT, EINVAL, "cgroup");
}

/*
 * A link at /proc, /sys or /dev would let an image choose what is mounted over, and what later steps believe to be the
 * container's own proc: only a real directory will do.
 */
static int attach_top(int mount, const char *path, const struct target_maker *maker, struct error *error) {
  cleanup_fd int target = sys_openat2(maker->root, path + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0,
                                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (target < 0 && errno == ENOENT)
    target = target_open(maker, path, true, STAGE_TARGET, error);
  else if (target < 0)
    fail(error, STAGE_TARGET, errno, "%s", path);
  if (target < 0)
    return -1;
  return mount_attach(mount, target) < 0 ? fail(error, STAGE_MOUNT, errno, "%s", path) : 0;
}

/* Attaches at a directory of a file system that was just made, and that nobody else can change yet. */
static int attach_below(int mount, int parent, const char *name, struct error *error) {
  cleanup_fd int target = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0 || mount_attach(mount, target) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", name);
  return 0;
}

static int attach_view(int parent, const char *name, int view, struct error *error) {
  if (mkdirat(parent, name, 0755) < 0)
    return fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup/%s", name);
  if (attach_below(view, parent, name, error) < 0)
    return -1;
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

static int attach_cgroup(const struct container_spec *spec, const struct cgroup *cgroup,
                         const struct standard_mounts *mounts, struct error *error) {
  if (mounts->cgroup < 0)
    return 0;
  cleanup_fd int target = sys_openat2(mounts->sys, "fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
                                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (target < 0)
    return errno == ENOENT ? 0 : fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup");
  if (mount_attach(mounts->cgroup, target) < 0)
    return fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup");
  if (cgroup->version != CGROUP_V1)
    return 0;
  for (size_t i = 0; i < cgroup->count; i++) {
    if (mounts->views[i] >= 0 &&
        attach_view(mounts->cgroup, cgroup->hierarchies[i].name, mounts->views[i], error) < 0)
      return -1;
  }
  if (!spec->insecure && mount_set_flags(mounts->cgroup, MOUNT_ATTR_RDONLY, false) < 0)
    return fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup");
  return 0;
}

int standard_mounts_attach(const struct container_spec *spec, const struct cgroup *cgroup,
                           struct standard_mounts *mounts, const struct target_maker *maker, struct error *error) {
  if (attach_top(mounts->proc, "/proc", maker, error) < 0)
    return -1;
  if (devices_populate(mounts->dev, spec->insecure, &mounts->null, error) < 0)
    return -1;
  if (attach_top(mounts->dev, "/dev", maker, error) < 0 || attach_below(mounts->pts, mounts->dev, "pts", error) < 0 ||
      attach_below(mounts->shm, mounts->dev, "shm", error) < 0 ||
      attach_below(mounts->mqueue, mounts->dev, "mqueue", error) < 0)
    return -1;
  if (attach_top(mounts->sys, "/sys", maker, error) < 0)
    return -1;
  return attach_cgroup(spec, cgroup, mounts, error);
}
