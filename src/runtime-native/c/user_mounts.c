#include "user_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "mount_fs.h"
#include "overlay.h"
#include "stage.h"
#include "syscalls.h"

static const char *const etc_targets[ETC_FILES] = {"/etc/hosts", "/etc/resolv.conf", "/etc/hostname"};

static int open_bind(const char *source, bool recursive, uint64_t flags, struct error *error) {
  cleanup_fd int mount =
      sys_open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
  if (mount < 0)
    return fail(error, STAGE_SOURCE, errno, "%s", source);
  if (flags != 0 && mount_set_flags(mount, flags, recursive) < 0)
    return fail(error, STAGE_SOURCE, errno, "%s", source);
  return steal_fd(&mount);
}

/* A part of a merged tree. A copy can only be taken of what is attached, so the whole is, out of every path's way. */
static int open_subpath(int merged, const char *subpath, struct error *error) {
  cleanup_fd int part =
      sys_openat2(merged, subpath, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (part < 0)
    return fail(error, STAGE_SOURCE, errno, "%s", subpath);
  if (sys_move_mount(merged, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", subpath);
  int mount = mount_clone(part, false);
  return mount < 0 ? fail(error, STAGE_MOUNT, errno, "%s", subpath) : mount;
}

static int open_overlay(const struct mount_spec *mount, struct error *error) {
  cleanup_fd int merged = overlay_mount(&mount->overlay, STAGE_SOURCE, error);
  if (merged < 0)
    return -1;
  cleanup_fd int part = mount->subpath == NULL ? steal_fd(&merged) : open_subpath(merged, mount->subpath, error);
  if (part < 0)
    return -1;
  if (mount->readonly && mount_set_flags(part, MOUNT_ATTR_RDONLY, false) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", mount->target);
  return steal_fd(&part);
}

static int open_tmpfs(const struct mount_spec *mount, struct error *error) {
  struct fs_option options[3] = {{"mode", "1777"}};
  char size[24], mode[8];
  if (mount->mode >= 0) {
    snprintf(mode, sizeof mode, "%o", (unsigned)mount->mode);
    options[0].value = mode;
  }
  if (mount->size_bytes >= 0) {
    snprintf(size, sizeof size, "%" PRId64, mount->size_bytes);
    options[1] = (struct fs_option){"size", size};
  }
  /* Programs may run from it, as in BuildKit: it often is the /tmp of a build. */
  int fd = mount_fs_open("tmpfs", "tmpfs", options, MOUNT_ATTR_NOSUID);
  return fd < 0 ? fail(error, STAGE_MOUNT, errno, "tmpfs at %s", mount->target) : fd;
}

static int open_mount(const struct mount_spec *mount, struct error *error) {
  switch (mount->kind) {
  case MOUNT_BIND:
    return open_bind(mount->source, mount->recursive, mount->readonly ? MOUNT_ATTR_RDONLY : 0, error);
  case MOUNT_OVERLAY:
    return open_overlay(mount, error);
  case MOUNT_TMPFS:
    return open_tmpfs(mount, error);
  }
  return fail(error, STAGE_MOUNT, EINVAL, "%s", mount->target);
}

static bool is_mounted_by_user(const struct container_spec *spec, const char *target) {
  for (size_t i = 0; i < spec->mount_count; i++) {
    if (strcmp(spec->mounts[i].target, target) == 0)
      return true;
  }
  return false;
}

int user_mounts_open(const struct container_spec *spec, struct user_mounts *mounts, struct error *error) {
  for (size_t i = 0; i < spec->mount_count; i++) {
    mounts->mounts[i] = open_mount(&spec->mounts[i], error);
    if (mounts->mounts[i] < 0)
      return -1;
  }
  const char *const sources[ETC_FILES] = {spec->etc_hosts, spec->etc_resolv_conf, spec->etc_hostname};
  const uint64_t flags =
      spec->etc_readonly ? MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC : 0;
  for (size_t i = 0; i < ETC_FILES; i++) {
    mounts->etc[i] = -1;
    if (sources[i] == NULL || is_mounted_by_user(spec, etc_targets[i]))
      continue;
    mounts->etc[i] = open_bind(sources[i], false, flags, error);
    if (mounts->etc[i] < 0)
      return -1;
  }
  return 0;
}

/* Proc decides what is isolated and the device nodes what can be reached; neither may be covered, nor the root. */
static int check_target(int target, const char *path, const struct standard_mounts *standard,
                        const struct target_maker *maker, struct error *error) {
  struct stat status, root;
  if (fstat(target, &status) < 0 || fstat(maker->root, &root) < 0)
    return fail(error, STAGE_TARGET, errno, "%s", path);
  uint64_t id = mount_id(target);
  bool is_root = id == mount_id(maker->root) && status.st_ino == root.st_ino && status.st_dev == root.st_dev;
  bool is_node = id == mount_id(standard->dev) && S_ISCHR(status.st_mode);
  if (is_root || is_node || id == mount_id(standard->proc))
    return fail(error, STAGE_TARGET, 0, "%s", path);
  return 0;
}

/* What is mounted over a directory takes its mode unless it was given one, as with runc. */
static int take_mode(int mount, const char *path, const struct target_maker *maker, struct error *error) {
  struct stat status;
  cleanup_fd int covered =
      sys_openat2(maker->root, path, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (covered < 0)
    return 0;
  cleanup_fd int directory = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || fstat(covered, &status) < 0 || fchmod(directory, status.st_mode & 07777) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", path);
  return 0;
}

static int finish_tmpfs(int mount, const struct mount_spec *spec, const struct target_maker *maker,
                        struct error *error) {
  if (spec->mode < 0 && take_mode(mount, spec->target, maker, error) < 0)
    return -1;
  if (spec->readonly && mount_set_flags(mount, MOUNT_ATTR_RDONLY, false) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", spec->target);
  return 0;
}

static int attach(int mount, const char *path, const struct standard_mounts *standard,
                  const struct target_maker *maker, struct error *error) {
  struct stat status;
  if (fstat(mount, &status) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", path);
  cleanup_fd int target = target_open(maker, path, S_ISDIR(status.st_mode), STAGE_TARGET, error);
  if (target < 0 || check_target(target, path, standard, maker, error) < 0)
    return -1;
  return mount_attach(mount, target) < 0 ? fail(error, STAGE_MOUNT, errno, "%s", path) : 0;
}

int user_mounts_attach(const struct container_spec *spec, const struct user_mounts *mounts,
                       const struct standard_mounts *standard, const struct target_maker *maker, struct error *error) {
  for (size_t i = 0; i < spec->mount_count; i++) {
    const struct mount_spec *mount = &spec->mounts[i];
    if (mount->kind == MOUNT_TMPFS && finish_tmpfs(mounts->mounts[i], mount, maker, error) < 0)
      return -1;
    if (attach(mounts->mounts[i], mount->target, standard, maker, error) < 0)
      return -1;
  }
  for (size_t i = 0; i < ETC_FILES; i++) {
    if (mounts->etc[i] >= 0 && attach(mounts->etc[i], etc_targets[i], standard, maker, error) < 0)
      return -1;
  }
  return 0;
}
