/* Making a mount of each kind; see mounts.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "mount_fs.h"
#include "mounts.h"
#include "overlay.h"
#include "stage.h"
#include "syscalls.h"
#include "userns.h"

static int open_bind(const struct mount_spec *mount, struct error *error) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  int fd = sys_open_tree(AT_FDCWD, mount->source, flags | (mount->recursive ? AT_RECURSIVE : 0));
  /* In a user namespace what the host has covered by a mount stays covered (mount_namespaces(7)). */
  if (fd < 0 && errno == EINVAL && !userns_is_initial())
    fd = sys_open_tree(AT_FDCWD, mount->source, flags | AT_RECURSIVE);
  return fd < 0 ? fail(error, STAGE_SOURCE, errno, "%s", mount->source) : fd;
}

/*
 * A part of a merged tree. A copy can only be taken of what is attached, so the whole is for a moment, over the root, where no
 * path leads to it. Left there, it would be what is taken away later in place of the old root, which `/..` would then show.
 */
static int open_subpath(int merged, const char *subpath, struct error *error) {
  cleanup_fd int part = sys_openat2(merged, subpath, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (part < 0)
    return fail(error, STAGE_SOURCE, errno, "%s", subpath);
  if (sys_move_mount(merged, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", subpath);
  cleanup_fd int mount = mount_clone(part, false);
  int code = mount < 0 ? errno : 0;
  if (umount2("/", MNT_DETACH) < 0 && code == 0)
    code = errno;
  return code != 0 ? fail(error, STAGE_MOUNT, code, "%s", subpath) : steal_fd(&mount);
}

static int open_overlay(const struct mount_spec *mount, struct error *error) {
  cleanup_fd int merged = overlay_mount(&mount->overlay, STAGE_SOURCE, error);
  if (merged < 0)
    return -1;
  return mount->subpath == NULL ? steal_fd(&merged) : open_subpath(merged, mount->subpath, error);
}

/* What is read-only for the container is not yet for us when its mode is still to be set. */
static uint64_t first_flags(const struct mount_spec *mount) {
  return mount->takes_mode ? mount->flags.set & ~(uint64_t)MOUNT_ATTR_RDONLY : mount->flags.set;
}

/*
 * A file system that the kernel does not make in a user namespace: proc where parts of the present one are covered, as in
 * another container, and sysfs where the network is the host's. The container then gets the host's, with what is mounted
 * there: of proc, the processes of the whole machine by the ids that it knows them by.
 */
static int bind_host(const struct mount_spec *mount) {
  const bool is_proc = strcmp(mount->type, "proc") == 0;
  if (!is_proc && strcmp(mount->type, "sysfs") != 0) {
    errno = EPERM;
    return -1;
  }
  const uint64_t flags = mount->flags.set | (is_proc ? 0 : MOUNT_ATTR_RDONLY);
  cleanup_fd int fd = sys_open_tree(AT_FDCWD, is_proc ? "/proc" : "/sys",
                                    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  return fd < 0 || mount_set_flags(fd, flags, true) < 0 ? -1 : steal_fd(&fd);
}

static int open_fs(const struct mount_spec *mount, struct error *error) {
  int fd = mount_fs_open(mount->type, mount->source, mount->options, (unsigned)first_flags(mount));
  if (fd < 0 && errno == EPERM && !userns_is_initial())
    fd = bind_host(mount);
  return fd < 0 ? fail(error, STAGE_MOUNT, errno, "%s at %s", mount->type, mount->target) : fd;
}

/* The flags of what is below go first: those of the mount itself may say otherwise. */
static int change(int fd, const struct mount_spec *mount, struct error *error) {
  const struct mount_flags *below = &mount->flags_below, *own = &mount->flags;
  const bool is_new = mount->kind == MOUNT_FS;
  const unsigned long propagation = mount->propagation & ~(unsigned long)MS_REC;
  int result = 0;
  if (below->set != 0 || below->clear != 0)
    result = mount_change(fd, below->set, below->clear, 0, true);
  if (result == 0 && !is_new && (own->set != 0 || own->clear != 0))
    result = mount_change(fd, own->set, own->clear, 0, false);
  if (result == 0 && propagation != 0)
    result = mount_change(fd, 0, 0, propagation, (mount->propagation & MS_REC) != 0);
  return result < 0 ? fail(error, mount->kind == MOUNT_BIND ? STAGE_SOURCE : STAGE_MOUNT, errno, "%s",
                           mount->kind == MOUNT_BIND ? mount->source : mount->target)
                    : 0;
}

int mount_open(const struct mount_spec *mount, struct error *error) {
  cleanup_fd int fd = -1;
  switch (mount->kind) {
  case MOUNT_BIND:
    fd = open_bind(mount, error);
    break;
  case MOUNT_OVERLAY:
    fd = open_overlay(mount, error);
    break;
  case MOUNT_FS:
    fd = open_fs(mount, error);
    break;
  case MOUNT_CGROUP:
    return fail(error, STAGE_MOUNT, EINVAL, "%s", mount->target);
  }
  if (fd < 0 || change(fd, mount, error) < 0)
    return -1;
  return steal_fd(&fd);
}

int mount_open_root(const struct container_spec *spec, struct error *error) {
  if (spec->rootfs_directory == NULL)
    return overlay_mount(&spec->rootfs, STAGE_ROOTFS, error);
  cleanup_fd int mount =
      sys_open_tree(AT_FDCWD, spec->rootfs_directory, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  struct stat status;
  if (mount < 0 || fstat(mount, &status) < 0)
    return fail(error, STAGE_ROOTFS, errno, "%s", spec->rootfs_directory);
  if (!S_ISDIR(status.st_mode))
    return fail(error, STAGE_ROOTFS, ENOTDIR, "%s", spec->rootfs_directory);
  return steal_fd(&mount);
}
