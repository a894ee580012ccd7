#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "command.h"
#include "hooks.h"
#include "identity.h"
#include "io.h"
#include "mount_fs.h"
#include "privileges.h"
#include "reaper.h"
#include "report.h"
#include "seccomp.h"
#include "stage.h"
#include "syscalls.h"
#include "terminal.h"

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

/* Without a wish of its own, a container is at least not as protected from the out-of-memory killer as its caller. */
static int set_oom_score(const struct container_spec *spec, int proc, struct error *error) {
  cleanup_fd int fd = sys_openat2(proc, "self/oom_score_adj", O_RDWR | O_CLOEXEC, 0, RESOLVE_NO_XDEV);
  char text[16] = "";
  if (spec->has_oom_score) {
    snprintf(text, sizeof text, "%d", spec->oom_score);
    if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
      return fail(error, STAGE_LIMIT, errno, "oom_score_adj = %s", text);
  } else if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 && text[0] == '-') {
    (void)!pwrite(fd, "0", 1, 0);
  }
  return 0;
}

static int find_identity(const struct process *process, struct identity *identity, struct error *error) {
  const struct container_spec *spec = process->init->spec;
  if (spec->user != NULL)
    return identity_find(process->root, process->mounts->proc, spec->user, identity, error);
  return identity_of(process->root, process->mounts->proc, spec, identity, error);
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
  /* It must be inside the root: a descriptor of the host, reached by a link in /proc, would not be (CVE-2024-21626). */
  char here[PATH_MAX];
  if (syscall(__NR_getcwd, here, sizeof here) < 0)
    return fail(error, STAGE_CWD, errno, "%s", spec->cwd);
  return here[0] == '/' ? 0 : fail(error, STAGE_CWD, EPERM, "%s", spec->cwd);
}

/* Stdio of the container's own, owned by its user so that /dev/stdout can be opened again. */
static int take_stdio(const struct init *init, const struct identity *identity, struct error *error) {
  for (int fd = 0; fd < 3; fd++) {
    if (init->stdio[fd] < 0)
      continue;
    /* Of an id that does not exist here, the change to it tells. */
    if (fchown(init->stdio[fd], identity->uid, (gid_t)-1) < 0 && errno != EINVAL)
      return fail(error, STAGE_IDENTITY, errno, "stdio");
    if (dup2(init->stdio[fd], fd) < 0)
      return fail(error, STAGE_IDENTITY, errno, "stdio");
  }
  return 0;
}

static int take_terminal(const struct process *process, const struct identity *identity, struct error *error) {
  struct terminal terminal;
  if (terminal_open(process->mounts, identity, &process->init->terminal_size, &terminal, error) < 0)
    return -1;
  if (report_terminal(process->init->socket, terminal.master) < 0)
    return fail(error, STAGE_TERMINAL, errno, "master");
  close(terminal.master);
  return terminal_take(terminal.slave, error);
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

static int set_death_signal(const struct init *init, struct error *error) {
  if (init->outlives_parent)
    return 0;
  return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? fail(error, STAGE_ISOLATION, errno, "parent death signal") : 0;
}

/* Waits until the command may start; the end of the gate is that of the container. */
static void wait_at(int gate) {
  char go;
  if (read_all(gate, &go, 1) != 1)
    _exit(1);
  close(gate);
}

/* The order matters at every line; docs/runtime.md tells why. */
int process_start(const struct process *process, struct target_maker *maker, struct error *error) {
  const struct init *init = process->init;
  const struct container_spec *spec = init->spec;
  /* Before the capabilities go, as raising a limit needs one. */
  if (set_limits(init, error) < 0 || set_oom_score(spec, process->mounts->proc, error) < 0)
    return -1;
  struct identity identity;
  if (find_identity(process, &identity, error) < 0)
    return -1;
  if (enter_cwd(spec, maker, &identity, error) < 0)
    return -1;
  if ((spec->terminal ? take_terminal(process, &identity, error) : take_stdio(init, &identity, error)) < 0)
    return -1;
  if (spec->readonly_rootfs && mount_set_flags(process->root, MOUNT_ATTR_RDONLY, false) < 0)
    return fail(error, STAGE_ROOTFS, errno, "read-only");
  char **environment = command_environment(spec, identity.home, error);
  if (environment == NULL)
    return -1;
  if (spec->has_personality && personality(spec->personality) < 0)
    return fail(error, STAGE_ISOLATION, errno, "personality");
  umask(spec->umask);
  reset_signals();
  /* No descriptor of the host may reach the command: one on a directory would be a way out. */
  if (sys_close_range(3 + init->preserved_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
    return fail(error, STAGE_EXEC, errno, "close_range");

  /* Without no_new_privs the filter needs CAP_SYS_ADMIN, so it comes before that is dropped; it allows what follows. */
  const bool filters_last = spec->no_new_privileges;
  if (spec->seccomp != NULL && !filters_last && seccomp_load(spec->seccomp, error) < 0)
    return -1;
  if (privileges_drop(&identity, &spec->capabilities, error) < 0)
    return -1;
  /* The change of ids has cleared it. */
  if (set_death_signal(init, error) < 0)
    return -1;
  if (spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return fail(error, STAGE_CAPABILITIES, errno, "no_new_privs");

  struct command_path command;
  if (command_find(spec, process->mounts->proc, &command, error) < 0)
    return -1;
  if (report_ready(init->socket) < 0)
    return fail(error, STAGE_EXEC, errno, "report");
  if (init->gate >= 0)
    wait_at(init->gate);
  if (hooks_run(&spec->hooks[HOOK_START_CONTAINER], init->state, error) < 0)
    return -1;
  if (spec->seccomp != NULL && filters_last && seccomp_load(spec->seccomp, error) < 0)
    return -1;
  if (spec->has_init && reaper_start(init->socket, spec->terminal, error) < 0)
    return -1;
  execve(command.path, (char *const *)(const void *)spec->args.items, environment);
  return fail(error, STAGE_EXEC, errno, "%s", command.path);
}
