#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "devices.h"
#include "mount_fs.h"
#include "stage.h"
#include "syscalls.h"
#include "userns.h"

#define COUNT(array) (sizeof array / sizeof array[0])

/* A proc of our own where the container shall have none, or has the host's: nobody else can get at it. */
static int open_proc(struct error *error) {
  int proc = mount_fs_open("proc", "proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  return proc < 0 ? fail(error, STAGE_MOUNT, errno, "proc") : proc;
}

static bool is_at(const struct mount_spec *mount, const char *type, const char *target) {
  return mount->kind == MOUNT_FS && (type == NULL || strcmp(mount->type, type) == 0) &&
         strcmp(mount->target, target) == 0;
}

/* The devices are made before it is attached, where nobody else can change them. */
static int open_dev(const struct container_spec *spec, struct mount_set *set, int mount, struct error *error) {
  set->dev = mount;
  return devices_make(mount, spec, set->devices, error);
}

int mounts_open(const struct container_spec *spec, const struct cgroup *cgroup, struct mount_set *set,
                struct error *error) {
  memset(set, -1, sizeof *set);
  if (devices_open(spec, set->devices, error) < 0)
    return -1;
  for (size_t i = 0; i < spec->mount_count; i++) {
    const struct mount_spec *mount = &spec->mounts[i];
    set->mounts[i] = mount->kind == MOUNT_CGROUP ? mount_cgroup_open(mount, spec, cgroup, set, error)
                                                 : mount_open(mount, error);
    if (set->mounts[i] < 0 && (mount->kind != MOUNT_CGROUP || cgroup->version != CGROUP_NONE))
      return -1;
    if (is_at(mount, "proc", "/proc"))
      set->proc = set->mounts[i];
    else if (is_at(mount, "sysfs", "/sys"))
      set->sys = set->mounts[i];
    else if (is_at(mount, "devpts", "/dev/pts"))
      set->pts = set->mounts[i];
    else if (is_at(mount, "tmpfs", "/dev") && open_dev(spec, set, set->mounts[i], error) < 0)
      return -1;
  }
  if (set->proc < 0 && (set->proc = open_proc(error)) < 0)
    return -1;
  /* With devices of the host there is none in it yet. */
  if (set->dev >= 0 && !userns_is_initial())
    return 0;
  return (set->null = devices_open_null(set->dev, error)) < 0 ? -1 : 0;
}

/* Files of proc that tell of the whole machine, for which a container may be given its own. */
static bool is_replaceable(const char *path) {
  static const char *const paths[] = {"/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo",
                                      "/proc/slabinfo", "/proc/stat",     "/proc/swaps",   "/proc/uptime",
                                      "/proc/net/dev"};
  for (size_t i = 0; i < COUNT(paths); i++) {
    if (strcmp(path, paths[i]) == 0)
      return true;
  }
  return false;
}

/* Proc decides what is isolated and the device nodes what can be reached; neither may be covered, nor the root. */
static int check_target(int target, const char *path, const struct mount_set *set, const struct target_maker *maker,
                        struct error *error) {
  struct stat status, root;
  if (fstat(target, &status) < 0 || fstat(maker->root, &root) < 0)
    return fail(error, STAGE_TARGET, errno, "%s", path);
  uint64_t id = mount_id(target);
  bool is_root = id == mount_id(maker->root) && status.st_ino == root.st_ino && status.st_dev == root.st_dev;
  bool is_node = set->dev >= 0 && id == mount_id(set->dev) && S_ISCHR(status.st_mode);
  bool is_proc = id == mount_id(set->proc) && !(is_replaceable(path) && S_ISREG(status.st_mode));
  return is_root || is_node || is_proc ? fail(error, STAGE_TARGET, 0, "%s", path) : 0;
}

/* What is mounted over a directory takes its mode unless it was given one, as with runc. */
static int take_mode(int mount, const struct mount_spec *spec, const struct target_maker *maker, struct error *error) {
  struct stat status;
  cleanup_fd int covered =
      sys_openat2(maker->root, spec->target, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (covered >= 0) {
    cleanup_fd int directory = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || fstat(covered, &status) < 0 || fchmod(directory, status.st_mode & 07777) < 0)
      return fail(error, STAGE_MOUNT, errno, "%s", spec->target);
  }
  if ((spec->flags.set & MOUNT_ATTR_RDONLY) && mount_set_flags(mount, MOUNT_ATTR_RDONLY, false) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", spec->target);
  return 0;
}

/* At a real directory only: see `is_system`. What has to be made for it stays. */
static int open_system_target(const char *path, const struct target_maker *maker, struct error *error) {
  int target = sys_openat2(maker->root, path + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0,
                           RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (target >= 0)
    return target;
  if (errno != ENOENT)
    return fail(error, STAGE_TARGET, errno, "%s", path);
  struct target_maker quiet = *maker;
  quiet.on_made = NULL;
  return target_open(&quiet, path, true, STAGE_TARGET, error);
}

static int attach(int mount, const struct mount_spec *spec, const struct mount_set *set,
                  const struct target_maker *maker, struct error *error) {
  struct stat status;
  if (fstat(mount, &status) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", spec->target);
  cleanup_fd int target = spec->is_system
                              ? open_system_target(spec->target, maker, error)
                              : target_open(maker, spec->target, S_ISDIR(status.st_mode), STAGE_TARGET, error);
  if (target < 0 || (!spec->is_system && check_target(target, spec->target, set, maker, error) < 0))
    return -1;
  return mount_attach(mount, target) < 0 ? fail(error, STAGE_MOUNT, errno, "%s", spec->target) : 0;
}

static int attach_devices(const struct container_spec *spec, struct mount_set *set, struct error *error) {
  if (devices_attach(set->dev, spec, set->devices, error) < 0)
    return -1;
  if (set->null < 0)
    set->null = devices_open_null(set->dev, error);
  return set->null < 0 ? -1 : 0;
}

int mounts_attach(const struct container_spec *spec, const struct cgroup *cgroup, struct mount_set *set,
                  struct target_maker *maker, struct error *error) {
  for (size_t i = 0; i < spec->mount_count; i++) {
    const struct mount_spec *mount = &spec->mounts[i];
    const int fd = set->mounts[i];
    if (fd < 0)
      continue;
    if (mount->takes_mode && take_mode(fd, mount, maker, error) < 0)
      return -1;
    if (attach(fd, mount, set, maker, error) < 0) {
      /* A kernel without control groups has no place for them. */
      if (mount->kind == MOUNT_CGROUP && mount->is_system && error->stage == STAGE_TARGET)
        continue;
      return -1;
    }
    if (fd == set->dev && attach_devices(spec, set, error) < 0)
      return -1;
    if (mount->kind == MOUNT_CGROUP && mount_cgroup_fill(mount, cgroup, fd, set, error) < 0)
      return -1;
  }
  if (set->dev >= 0)
    return 0;
  /* The devices of a container without a /dev of its own go to where its root has it. */
  cleanup_fd int dev = target_open(maker, "/dev", true, STAGE_TARGET, error);
  if (dev < 0 || devices_make(dev, spec, set->devices, error) < 0)
    return -1;
  return devices_attach(dev, spec, set->devices, error);
}
