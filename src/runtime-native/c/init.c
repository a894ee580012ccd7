#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "command.h"
#include "identity.h"
#include "io.h"
#include "mount_fs.h"
#include "overlay.h"
#include "privileges.h"
#include "report.h"
#include "seccomp.h"
#include "stage.h"
#include "standard_mounts.h"
#include "syscalls.h"
#include "terminal.h"
#include "user_mounts.h"

/* Waits for the supervisor; its end ends this process too, at whatever point. */
static int wait_for_supervisor(const struct init *init, struct error *error) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
    return fail(error, STAGE_ISOLATION, errno, "parent death signal");
  /* A supervisor that died before that call is seen here as the end of the socket. */
  char go;
  if (read_all(init->socket, &go, 1) != 1)
    _exit(1);
  return 0;
}

static int isolate(const struct init *init, struct error *error) {
  if (setsid() < 0)
    return fail(error, STAGE_ISOLATION, errno, "session");
  if (init->cgroup->version == CGROUP_V2 && unshare(CLONE_NEWCGROUP) < 0)
    return fail(error, STAGE_ISOLATION, errno, "cgroup namespace");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return fail(error, STAGE_ISOLATION, errno, "mount propagation");
  if (syscall(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
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

static int open_root(const struct container_spec *spec, struct error *error) {
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

/*
 * Makes `root` the root of the mount namespace and drops everything else. It is attached over the old root, where no
 * path of the host leads to it or is covered by it.
 */
static int enter_root(int root, struct error *error) {
  if (sys_move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(error, STAGE_PIVOT, errno, "attach");
  if (fchdir(root) < 0 || sys_pivot_root(".", ".") < 0)
    return fail(error, STAGE_PIVOT, errno, "pivot_root");
  if (umount2(".", MNT_DETACH) < 0)
    return fail(error, STAGE_PIVOT, errno, "old root");
  return chdir("/") < 0 ? fail(error, STAGE_PIVOT, errno, "/") : 0;
}

struct made_context {
  int socket;
  uint64_t root_mount;
};

/* Only what is in the root itself: what was made in a mount of the user belongs to its source. */
static int on_made(void *context, int parent, const struct made *made, struct error *error) {
  const struct made_context *to = context;
  if (mount_id(parent) != to->root_mount)
    return 0;
  return report_made(to->socket, made) < 0 ? fail(error, STAGE_TARGET, errno, "%s", made->path) : 0;
}

static int set_limits(const struct init *init, struct error *error) {
  bool given = false;
  for (size_t i = 0; i < init->spec->rlimit_count; i++) {
    const struct rlimit_spec *wanted = &init->spec->rlimits[i];
    struct rlimit limit = {.rlim_cur = wanted->soft, .rlim_max = wanted->hard};
    if (setrlimit((__rlimit_resource_t)wanted->resource, &limit) < 0)
      return fail(error, STAGE_RLIMIT, errno, "limit %d", wanted->resource);
    given = given || wanted->resource == RLIMIT_NOFILE;
  }
  struct rlimit files;
  if (given || getrlimit(RLIMIT_NOFILE, &files) < 0 || init->open_files >= files.rlim_cur)
    return 0;
  files.rlim_cur = init->open_files;
  return setrlimit(RLIMIT_NOFILE, &files) < 0 ? fail(error, STAGE_RLIMIT, errno, "open files") : 0;
}

/* A caller that is protected from the out-of-memory killer must not pass that on unasked. */
static int set_oom_score(const struct container_spec *spec, int proc, struct error *error) {
  cleanup_fd int fd = sys_openat2(proc, "self/oom_score_adj", O_RDWR | O_CLOEXEC, 0, RESOLVE_NO_XDEV);
  char text[24] = "";
  if (spec->has_oom_score) {
    const int size = snprintf(text, sizeof text, "%" PRId64, spec->oom_score);
    return fd < 0 || pwrite(fd, text, (size_t)size, 0) < 0 ? fail(error, STAGE_LIMIT, errno, "oom_score_adj = %s", text)
                                                           : 0;
  }
  if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 && text[0] == '-')
    (void)!pwrite(fd, "0", 1, 0);
  return 0;
}

static int enter_cwd(const struct container_spec *spec, struct target_maker *maker, const struct identity *identity,
                     struct error *error) {
  maker->on_made = NULL; /* A working directory stays. */
  if (spec->cwd_owned_by_user) {
    maker->uid = identity->uid;
    maker->gid = identity->gid;
  }
  cleanup_fd int fd = target_open(maker, spec->cwd, true, STAGE_CWD, error);
  if (fd < 0)
    return -1;
  if (fchdir(fd) < 0)
    return fail(error, STAGE_CWD, errno, "%s", spec->cwd);
  /* It must be inside the root: a descriptor of the host, reached by a link in /proc, would not be. */
  char here[PATH_MAX];
  if (syscall(__NR_getcwd, here, sizeof here) < 0)
    return fail(error, STAGE_CWD, errno, "%s", spec->cwd);
  return here[0] == '/' ? 0 : fail(error, STAGE_CWD, EPERM, "%s", spec->cwd);
}

/* Stdio of the container's own, owned by its user so that /dev/stdout can be opened again. */
static int take_stdio(const struct init *init, const struct identity *identity, struct error *error) {
  for (int fd = 0; fd < 3; fd++) {
    if (fchown(init->stdio[fd], identity->uid, (gid_t)-1) < 0)
      return fail(error, STAGE_IDENTITY, errno, "stdio");
    if (dup2(init->stdio[fd], fd) < 0)
      return fail(error, STAGE_IDENTITY, errno, "stdio");
  }
  return 0;
}

/* Node ignores SIGPIPE, and an exec would pass that on. */
static void reset_signals(void) {
  for (int number = 1; number < NSIG; number++) {
    if (number != SIGKILL && number != SIGSTOP)
      signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The order matters at every line; docs/runtime.md tells why. */
static int set_up(const struct init *init, struct error *error) {
  static struct standard_mounts standard;
  static struct user_mounts user;
  const struct container_spec *spec = init->spec;

  if (wait_for_supervisor(init, error) < 0)
    return -1;
  umask(0);
  /* Before any mount: none of them may propagate to the host. */
  if (isolate(init, error) < 0)
    return -1;
  if (spec->own_network && bring_up_loopback(error) < 0)
    return -1;

  /* Everything that comes from the host is opened now and by descriptor from here on... */
  cleanup_fd int root = open_root(spec, error);
  if (root < 0)
    return -1;
  if (standard_mounts_open(spec, init->cgroup, &standard, error) < 0 || user_mounts_open(spec, &user, error) < 0)
    return -1;
  /* ...so that the host is out of reach before the first path of the container is looked at. */
  if (enter_root(root, error) < 0)
    return -1;
  struct made_context made = {.socket = init->socket, .root_mount = mount_id(root)};
  struct target_maker maker = {.root = root, .proc = standard.proc, .context = &made};
  if (standard_mounts_attach(spec, init->cgroup, &standard, &maker, error) < 0)
    return -1;
  /* From here on: /proc, /sys and /dev stay where an image lacks them, as in Docker's layers. */
  maker.on_made = on_made;
  if (user_mounts_attach(spec, &user, &standard, &maker, error) < 0)
    return -1;
  /* After the mounts of the user, which may not uncover what is masked. */
  if (!spec->insecure && standard_mounts_mask(&standard, error) < 0)
    return -1;

  if (sethostname(spec->hostname, strlen(spec->hostname)) < 0)
    return fail(error, STAGE_HOSTNAME, errno, "%s", spec->hostname);
  /* Before the capabilities go, as raising a limit needs one. */
  if (set_limits(init, error) < 0)
    return -1;
  if (set_oom_score(spec, standard.proc, error) < 0)
    return -1;
  struct identity identity;
  if (identity_find(root, standard.proc, spec->user, &identity, error) < 0)
    return -1;
  struct terminal terminal;
  if (spec->terminal) {
    if (terminal_open(&standard, &identity, &init->terminal_size, &terminal, error) < 0)
      return -1;
    if (report_terminal(init->socket, terminal.master) < 0)
      return fail(error, STAGE_TERMINAL, errno, "master");
  }
  if (enter_cwd(spec, &maker, &identity, error) < 0)
    return -1;
  if (spec->readonly_rootfs && mount_set_flags(root, MOUNT_ATTR_RDONLY, false) < 0)
    return fail(error, STAGE_ROOTFS, errno, "read-only");
  if ((spec->terminal ? terminal_take(terminal.slave, error) : take_stdio(init, &identity, error)) < 0)
    return -1;
  char **environment = command_environment(spec, identity.home, error);
  if (environment == NULL)
    return -1;

  /* Without no_new_privs the filter needs CAP_SYS_ADMIN, so it comes before that is dropped; it allows what follows. */
  if (!spec->insecure && seccomp_load(error) < 0)
    return -1;
  if (privileges_drop(&identity, spec->insecure, error) < 0)
    return -1;
  /* The change of ids has cleared it. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
    return fail(error, STAGE_ISOLATION, errno, "parent death signal");
  if (spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return fail(error, STAGE_CAPABILITIES, errno, "no_new_privs");

  struct command_path command;
  if (command_find(spec, standard.proc, &command, error) < 0)
    return -1;
  umask(0022);
  reset_signals();
  /* No descriptor of the host may reach the command: one on a directory would be a way out. */
  if (sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
    return fail(error, STAGE_EXEC, errno, "close_range");
  if (report_ready(init->socket) < 0)
    return fail(error, STAGE_EXEC, errno, "report");
  execve(command.path, (char *const *)(const void *)spec->args.items, environment);
  return fail(error, STAGE_EXEC, errno, "%s", command.path);
}

static int compare_numbers(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* The parent's other descriptors belong to itself and to other containers. */
static int close_others(const struct init *init, struct error *error) {
  int kept[] = {2, init->socket, init->stdio[0], init->stdio[1], init->stdio[2]};
  const size_t count = sizeof kept / sizeof kept[0];
  qsort(kept, count, sizeof kept[0], compare_numbers);
  for (size_t i = 0; i < count; i++) {
    unsigned first = (unsigned)kept[i] + 1, last = i + 1 < count ? (unsigned)kept[i + 1] - 1 : ~0U;
    if (kept[i] >= 2 && first <= last && sys_close_range(first, last, 0) < 0)
      return fail(error, STAGE_ISOLATION, errno, "close_range");
  }
  return 0;
}

void init_run(const struct init *init) {
  static struct error error;
  /* First: all that this process takes from now on is counted, and its groups' descriptors go with the others. */
  if (cgroup_join_self(init->cgroup, &error) < 0 || close_others(init, &error) < 0 || set_up(init, &error) < 0)
    report_failed(init->socket, &error);
  _exit(1);
}
