#include "mount_fs.h"

#include <stddef.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "syscalls.h"

int mount_fs_open(const char *type, const char *source, const struct fs_option *options, unsigned attributes) {
  cleanup_fd int fs = sys_fsopen(type, FSOPEN_CLOEXEC);
  if (fs < 0)
    return -1;
  if (sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "source", source, 0) < 0)
    return -1;
  for (; options != NULL && options->name != NULL; options++) {
    unsigned command = options->value == NULL ? SYS_FSCONFIG_SET_FLAG : SYS_FSCONFIG_SET_STRING;
    if (sys_fsconfig(fs, command, options->name, options->value, 0) < 0)
      return -1;
  }
  if (sys_fsconfig(fs, SYS_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return -1;
  return sys_fsmount(fs, FSMOUNT_CLOEXEC, attributes);
}

int mount_clone(int fd, bool recursive) {
  return sys_open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
}

int mount_set_flags(int mount, uint64_t flags, bool recursive) {
  return mount_change(mount, flags, 0, 0, recursive);
}

int mount_change(int mount, uint64_t set, uint64_t clear, unsigned long propagation, bool recursive) {
  struct sys_mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
  /* One of several values, so the old one goes first. */
  if (set & MOUNT_ATTR__ATIME)
    attr.attr_clr |= MOUNT_ATTR__ATIME;
  return sys_mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

int mount_attach(int mount, int target) {
  return sys_move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

uint64_t mount_id(int fd) {
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0 || (status.stx_mask & STATX_MNT_ID) == 0)
    return 0;
  return status.stx_mnt_id;
}
