#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "external.h"
#include "hooks.h"
#include "io.h"
#include "mount_fs.h"
#include "mounts.h"
#include "namespaces.h"
#include "process.h"
#include "report.h"
#include "stage.h"
#include "state_pid.h"
#include "syscalls.h"
#include "userns.h"

/* Waits for the supervisor to go on; -1 when it is gone. */
static int wait_for_supervisor(const struct init *init) {
  char go;
  return read_all(init->socket, &go, 1) == 1 ? 0 : -1;
}

/*
 * Nothing that is mounted here may appear on the host. Where the container is to see later mounts of the host, or to
 * share its own, the mounts that it is given a copy of must be left able to; the top, which all is attached to, never.
 */
static unsigned long host_propagation(const struct container_spec *spec) {
  unsigned long all = spec->root_propagation;
  for (size_t i = 0; i < spec->mount_count; i++)
    all |= spec->mounts[i].propagation;
  if ((all & MS_SHARED) != 0)
    return MS_SHARED;
  return (all & MS_SLAVE) != 0 ? MS_SLAVE : MS_PRIVATE;
}

static int set_propagation(const struct container_spec *spec, struct error *error) {
  const unsigned long propagation = host_propagation(spec);
  if (propagation != MS_SHARED && mount(NULL, "/", NULL, MS_REC | propagation, NULL) < 0)
    return fail(error, STAGE_ISOLATION, errno, "mount propagation");
  if (propagation != MS_PRIVATE && mount(NULL, "/", NULL, MS_PRIVATE, NULL) < 0)
    return fail(error, STAGE_ISOLATION, errno, "mount propagation");
  return 0;
}

static int isolate(const struct init *init, struct error *error) {
  if (setsid() < 0)
    return fail(error, STAGE_ISOLATION, errno, "session");
  if (namespaces_enter(init->spec, init->joins, error) < 0)
    return -1;
  userns_read();
  if ((init->spec->namespaces & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
    return fail(error, STAGE_ISOLATION, errno, "cgroup namespace");
  if (set_propagation(init->spec, error) < 0)
    return -1;
  if (!init->keeps_keyring && syscall(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
    return fail(error, STAGE_ISOLATION, errno, "session keyring");
  return 0;
}

static int bring_up_loopback(struct error *error) {
  cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo"};
  if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
    return fail(error, STAGE_NETWORK, errno, "lo");
  request.ifr_flags |= IFF_UP;
  return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? fail(error, STAGE_NETWORK, errno, "lo") : 0;
}

/* Puts the root where it comes from, for hooks that look for it there. */
static int attach_root(int root, const char *path, struct error *error) {
  return sys_move_mount(root, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0
             ? fail(error, STAGE_PIVOT, errno, "%s", path)
             : 0;
}

/*
 * Makes `root` the root of the mount namespace and drops everything else. Unless it is attached already, it goes over the
 * old root, where no path of the host leads to it or is covered by it.
 */
static int enter_root(int root, const struct container_spec *spec, bool is_attached, struct error *error) {
  if (!is_attached && sys_move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(error, STAGE_PIVOT, errno, "attach");
  if (fchdir(root) < 0 || sys_pivot_root(".", ".") < 0)
    return fail(error, STAGE_PIVOT, errno, "pivot_root");
  /* What is shared with the host must not be unmounted there. */
  if (host_propagation(spec) == MS_SHARED && mount(NULL, ".", NULL, MS_REC | MS_SLAVE, NULL) < 0)
    return fail(error, STAGE_PIVOT, errno, "old root");
  if (umount2(".", MNT_DETACH) < 0)
    return fail(error, STAGE_PIVOT, errno, "old root");
  /* `..` of the root leads to whatever is stacked on it. */
  cleanup_fd int above = open("/..", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (above < 0)
    return fail(error, STAGE_PIVOT, errno, "/..");
  if (mount_id(above) != mount_id(root))
    return fail(error, STAGE_PIVOT, EBUSY, "the old root is still there");
  return chdir("/") < 0 ? fail(error, STAGE_PIVOT, errno, "/") : 0;
}

/* Through a proc that nobody else can change, so that no mount or link leads the write elsewhere (CVE-2025-52881). */
static int set_sysctls(const struct container_spec *spec, int proc, struct error *error) {
  for (size_t i = 0; i < spec->sysctl_count; i++) {
    const struct sysctl_spec *sysctl = &spec->sysctls[i];
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "sys/%s", sysctl->path) >= (int)sizeof path)
      return fail(error, STAGE_SYSCTL, ENAMETOOLONG, "%s", sysctl->path);
    cleanup_fd int fd = sys_openat2(proc, path, O_WRONLY | O_CLOEXEC, 0,
                                    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    if (fd < 0 || write_all(fd, sysctl->value, strlen(sysctl->value)) < 0)
      return fail(error, STAGE_SYSCTL, errno, "%s", sysctl->path);
  }
  return 0;
}

static int set_names(const struct container_spec *spec, struct error *error) {
  if (spec->hostname != NULL && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
    return fail(error, STAGE_HOSTNAME, errno, "%s", spec->hostname);
  if (spec->domainname != NULL && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
    return fail(error, STAGE_HOSTNAME, errno, "%s", spec->domainname);
  return 0;
}

/* Hooks that expect the container's mounts below its root's path, seen from the host's root. */
static bool has_early_hooks(const struct container_spec *spec) {
  return hooks_any(spec, HOOK_PRESTART, HOOK_CREATE_CONTAINER);
}

/* While the host's proc can be asked who this process is there. */
static void complete_state(const struct init *init) {
  char text[16];
  ssize_t size = init->state == NULL ? -1 : readlink("/proc/self", text, sizeof text - 1);
  if (size <= 0)
    return;
  text[size] = '\0';
  state_set_pid(init->state, (pid_t)strtol(text, NULL, 10));
}

static int run_early_hooks(const struct init *init, struct error *error) {
  if (report_hooks(init->socket) < 0)
    return fail(error, STAGE_HOOK, errno, "report");
  if (wait_for_supervisor(init) < 0)
    _exit(1);
  return hooks_run(&init->spec->hooks[HOOK_CREATE_CONTAINER], init->state, error);
}

/* Mounts need the process in its groups only where a namespace of its own is to show them. */
static bool waits_early(const struct container_spec *spec) {
  return (spec->namespaces & (CLONE_NEWUSER | CLONE_NEWCGROUP)) != 0;
}

static int attach_mounts(const struct init *init, struct mount_set *mounts, struct target_maker *maker,
                         struct error *error) {
  if (mounts_attach(init->spec, init->cgroup, mounts, maker, error) < 0)
    return -1;
  if (set_sysctls(init->spec, mounts->proc, error) < 0)
    return -1;
  /* After all mounts, which may not uncover what is masked. */
  return mounts_mask(init->spec, mounts, maker->root, error);
}

/* The order matters at every line; docs/runtime.md tells why. */
static int set_up(const struct init *init, struct error *error) {
  static struct mount_set mounts;
  const struct container_spec *spec = init->spec;

  if (!init->outlives_parent && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
    return fail(error, STAGE_ISOLATION, errno, "parent death signal");
  /* A parent that died before that call is seen as the end of the socket. */
  if (waits_early(spec) && wait_for_supervisor(init) < 0)
    _exit(1);
  complete_state(init);
  umask(0);
  /* Before any mount: none of them may propagate to the host. */
  if (isolate(init, error) < 0)
    return -1;
  if ((spec->namespaces & CLONE_NEWNET) && bring_up_loopback(error) < 0)
    return -1;
  /* Before /sys is mounted, which shows the interfaces of whoever mounts it. */
  if (init->network >= 0 && setns(init->network, CLONE_NEWNET) < 0)
    return fail(error, STAGE_NETWORK, errno, "namespace");

  /* Everything that comes from the host is opened now and by descriptor from here on... */
  cleanup_fd int root = mount_open_root(spec, error);
  if (root < 0 || mounts_open(spec, init->cgroup, &mounts, error) < 0)
    return -1;
  struct report_made_in made = {.socket = init->socket, .root_mount = mount_id(root)};
  struct target_maker maker = {.root = root, .proc = mounts.proc, .context = &made};
  if (spec->remove_stubs)
    maker.on_made = report_made_in_root;
  if (!has_early_hooks(spec)) {
    /* ...so that the host is out of reach before the first path of the container is looked at. */
    if (enter_root(root, spec, false, error) < 0 || attach_mounts(init, &mounts, &maker, error) < 0)
      return -1;
  } else {
    if (attach_root(root, spec->rootfs_directory, error) < 0 || attach_mounts(init, &mounts, &maker, error) < 0)
      return -1;
  }
  if (set_names(spec, error) < 0)
    return -1;
  if (!waits_early(spec) && wait_for_supervisor(init) < 0)
    _exit(1);
  if (has_early_hooks(spec) && (run_early_hooks(init, error) < 0 || enter_root(root, spec, true, error) < 0))
    return -1;
  if (spec->root_propagation != 0 && mount(NULL, "/", NULL, spec->root_propagation, NULL) < 0)
    return fail(error, STAGE_ROOTFS, errno, "propagation");
  const struct process process = {.init = init, .mounts = &mounts, .root = root};
  return process_start(&process, &maker, error);
}

static int kept_from(const struct init *init) { return 2 + (int)init->preserved_fds; }

static int compare_numbers(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* The parent's other descriptors belong to itself and to other containers. */
static int close_others(const struct init *init, struct error *error) {
  const struct container_spec *spec = init->spec;
  int kept[8 + SPEC_NAMESPACES_MAX + SPEC_MOUNTS_MAX] = {kept_from(init), init->socket, init->gate, init->network,
                                       init->stdio[0], init->stdio[1], init->stdio[2], spec->rootfs.made};
  size_t count = 8;
  for (size_t i = 0; i < spec->join_count; i++)
    kept[count++] = init->joins[i];
  for (size_t i = 0; i < spec->mount_count; i++)
    kept[count++] = spec->mounts[i].overlay.made;
  qsort(kept, count, sizeof kept[0], compare_numbers);
  for (size_t i = 0; i < count; i++) {
    unsigned first = (unsigned)kept[i] + 1, last = i + 1 < count ? (unsigned)kept[i + 1] - 1 : ~0U;
    if (kept[i] >= kept_from(init) && first <= last && sys_close_range(first, last, 0) < 0)
      return fail(error, STAGE_ISOLATION, errno, "close_range");
  }
  return 0;
}

void init_run(const struct init *init) {
  static struct error error;
  /* First: all that this process takes from now on is counted, and its groups' descriptors go with the others. */
  if (cgroup_join_self(init->cgroup, &error) < 0 || close_others(init, &error) < 0 ||
      (init->spec->runtime.path != NULL ? external_run(init, &error) : set_up(init, &error)) < 0)
    report_failed(init->socket, &error);
  _exit(1);
}
