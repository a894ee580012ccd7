#include "probe.h"

#include <sys/mount.h>

/* Numbers that older headers lack; they are the same on every architecture. */
enum { OPEN_TREE = 428, MOVE_MOUNT = 429, FSOPEN = 430, FSPICK = 433, MOUNT_SETATTR = 442, OPEN_TREE_ATTR = 467 };

static long mount_tmpfs(void) { return mount("none", "/tmp", "tmpfs", 0, NULL); }
static long mount_proc(void) { return mount("proc", "/tmp", "proc", 0, NULL); }
static long mount_overlay(void) { return mount("none", "/tmp", "overlay", 0, "lowerdir=/bin:/etc"); }
/* CVE-2022-0492: release_agent is in the root of a hierarchy that one can mount. */
static long mount_cgroup(void) { return mount("cgroup", "/tmp", "cgroup", 0, "devices"); }
static long mount_binfmt(void) { return mount("none", "/tmp", "binfmt_misc", 0, NULL); }
static long mount_debug(void) { return mount("none", "/tmp", "debugfs", 0, NULL); }
static long mount_trace(void) { return mount("none", "/tmp", "tracefs", 0, NULL); }
static long mount_bpf(void) { return mount("none", "/tmp", "bpf", 0, NULL); }
static long mount_over_proc(void) { return mount("none", "/proc", "tmpfs", 0, NULL); }
static long bind_over_proc(void) { return mount("/tmp", "/proc/self", NULL, MS_BIND, NULL); }
static long bind_over_mask(void) { return mount("/etc/passwd", "/proc/keys", NULL, MS_BIND, NULL); }
static long remount_proc_sys(void) { return mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL); }
static long remount_sys(void) { return mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL); }
static long share_root(void) { return mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL); }
static long move_proc(void) { return mount("/proc", "/tmp", NULL, MS_MOVE, NULL); }
static long umount_mask(void) { return umount2("/proc/keys", MNT_DETACH); }
static long umount_proc_sys(void) { return umount2("/proc/sys", MNT_DETACH); }
static long umount_root(void) { return umount2("/", MNT_DETACH); }
/* The old root, were it still stacked below. */
static long pivot(void) { return syscall(__NR_pivot_root, ".", "."); }

static long open_tree_clone(void) { return syscall(OPEN_TREE, AT_FDCWD, "/proc", 1 /* OPEN_TREE_CLONE */); }
static long open_tree_with_attributes(void) {
  uint64_t attributes[4] = {0};
  return syscall(OPEN_TREE_ATTR, AT_FDCWD, "/proc", 1, attributes, sizeof attributes);
}
static long attach_mount(void) { return syscall(MOVE_MOUNT, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0); }
static long open_fs(void) { return syscall(FSOPEN, "proc", 0); }
static long configure_fs(void) { return syscall(431 /* fsconfig */, -1, 0, NULL, NULL, 0); }
static long mount_fs(void) { return syscall(432 /* fsmount */, -1, 0, 0); }
static long pick_fs(void) { return syscall(FSPICK, AT_FDCWD, "/proc", 0); }
static long clear_readonly(void) {
  uint64_t attributes[4] = {0, 1 /* MOUNT_ATTR_RDONLY */, 0, 0};
  return syscall(MOUNT_SETATTR, AT_FDCWD, "/proc/sys", 0, attributes, sizeof attributes);
}

/* A second chroot below the first, then up and out: works where the root is a chroot and no mount. */
static long double_chroot(void) {
  struct stat inside, outside;
  if (stat("/", &inside) < 0 || (mkdir("/tmp/jail", 0755) < 0 && errno != EEXIST) || chroot("/tmp/jail") < 0)
    return -1;
  for (int i = 0; i < 64; i++) {
    if (chdir("..") < 0)
      return -1;
  }
  if (chroot(".") < 0 || stat("/", &outside) < 0)
    return -1;
  if (inside.st_dev == outside.st_dev && inside.st_ino == outside.st_ino) {
    errno = EXDEV;
    return -1;
  }
  return 0;
}

/* Not the root itself where the old root is still stacked on it. */
static long above_root(void) {
  struct stat root, above;
  if (stat("/", &root) < 0 || stat("/..", &above) < 0)
    return -1;
  errno = EXDEV;
  return root.st_dev == above.st_dev && root.st_ino == above.st_ino ? -1 : 0;
}

const struct attempt mount_attempts[] = {{"mount-tmpfs", mount_tmpfs},
                                         {"mount-proc", mount_proc},
                                         {"mount-overlay", mount_overlay},
                                         {"mount-cgroup", mount_cgroup},
                                         {"mount-binfmt", mount_binfmt},
                                         {"mount-debug", mount_debug},
                                         {"mount-trace", mount_trace},
                                         {"mount-bpf", mount_bpf},
                                         {"mount-over-proc", mount_over_proc},
                                         {"bind-over-proc", bind_over_proc},
                                         {"bind-over-mask", bind_over_mask},
                                         {"remount-proc-sys", remount_proc_sys},
                                         {"remount-sys", remount_sys},
                                         {"share-root", share_root},
                                         {"move-proc", move_proc},
                                         {"umount-mask", umount_mask},
                                         {"umount-proc-sys", umount_proc_sys},
                                         {"umount-root", umount_root},
                                         {"pivot-root", pivot},
                                         {"open-tree", open_tree_clone},
                                         {"open-tree-attr", open_tree_with_attributes},
                                         {"move-mount", attach_mount},
                                         {"fsopen", open_fs},
                                         {"fsconfig", configure_fs},
                                         {"fsmount", mount_fs},
                                         {"fspick", pick_fs},
                                         {"mount-setattr", clear_readonly},
                                         {"double-chroot", double_chroot},
                                         {"above-root", above_root},
                                         {NULL, NULL}};
