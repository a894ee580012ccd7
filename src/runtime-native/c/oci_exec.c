/* `exec`: one more process in a container that runs. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "init.h"
#include "io.h"
#include "mount_fs.h"
#include "oci.h"
#include "oci_attach.h"
#include "oci_cgroup.h"
#include "oci_launch.h"
#include "oci_state.h"
#include "own_binary.h"
#include "process.h"
#include "report.h"
#include "stage.h"
#include "syscalls.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

struct execution {
  const char *process_file;
  const char *cwd;
  const char *user;
  const char *pid_file;
  const char *console_socket;
  const char **env;
  unsigned env_count;
  const char **capabilities;
  unsigned capability_count;
  bool terminal;
  bool detached;
  bool no_new_privileges;
  unsigned preserved_fds;

  struct oci_state state;
  struct oci_config config;
  struct oci_config process;
  struct oci_launch launch;
  int init_socket;
  /* Of the container's first process. */
  int pidfd;
  pid_t pid;
};

static int read_options(struct execution *execution, int argc, char **argv, int *at, struct error *error) {
  const char *preserve = "0";
  const struct oci_option options[] = {
      {.name = "process", .letter = 'p', .value = &execution->process_file},
      {.name = "cwd", .value = &execution->cwd},
      {.name = "user", .letter = 'u', .value = &execution->user},
      {.name = "env", .letter = 'e', .values = execution->env, .count = &execution->env_count},
      {.name = "cap", .letter = 'c', .values = execution->capabilities, .count = &execution->capability_count},
      {.name = "tty", .letter = 't', .flag = &execution->terminal},
      {.name = "detach", .letter = 'd', .flag = &execution->detached},
      {.name = "no-new-privs", .flag = &execution->no_new_privileges},
      {.name = "pid-file", .value = &execution->pid_file},
      {.name = "console-socket", .value = &execution->console_socket},
      {.name = "preserve-fds", .value = &preserve},
      {0},
  };
  if (oci_options(options, argc, argv, at, error) < 0)
    return -1;
  if (oci_preserved_fds(preserve, &execution->preserved_fds, error) < 0)
    return -1;
  if (*at >= argc)
    return oci_usage(error, "\"exec\" needs a container id");
  return oci_check_id(argv[*at], error);
}

static int parse_user(const char *text, struct container_spec *spec, struct error *error) {
  char *end;
  unsigned long uid = strtoul(text, &end, 10), gid = 0;
  const bool with_gid = *end == ':' && end != text;
  if (with_gid)
    gid = strtoul(end + 1, &end, 10);
  if (end == text || *end != '\0' || uid > INT32_MAX || gid > INT32_MAX)
    return oci_usage(error, "flag \"--user\" wants uid[:gid]");
  spec->uid = (uid_t)uid;
  spec->gid = (gid_t)gid;
  spec->group_count = 0;
  return 0;
}

static int append(struct string_list *list, const char *const *items, size_t count, struct error *error) {
  const char **grown = realloc(list->items, (list->count + count + 1) * sizeof *grown);
  if (grown == NULL)
    return fail(error, STAGE_SUPERVISOR, ENOMEM, "memory");
  memcpy(grown + list->count, items, count * sizeof *items);
  list->items = grown;
  list->count += count;
  grown[list->count] = NULL;
  return 0;
}

/* What the command line says, on top of the container's own process. */
static int change_process(struct execution *execution, char **args, size_t count, struct error *error) {
  struct container_spec *spec = &execution->config.spec;
  if (count == 0)
    return oci_usage(error, "\"exec\" needs a command, or the flag \"--process\"");
  spec->args.count = 0;
  spec->terminal = execution->terminal;
  if (append(&spec->args, (const char *const *)(const void *)args, count, error) < 0 ||
      append(&spec->env, execution->env, execution->env_count, error) < 0)
    return -1;
  for (size_t i = 0; i < execution->env_count; i++) {
    if (execution->env[i][0] == '=' || strchr(execution->env[i], '=') == NULL)
      return oci_usage(error, "flag \"--env\" wants NAME=value");
  }
  if (execution->cwd != NULL && execution->cwd[0] != '/')
    return oci_usage(error, "flag \"--cwd\" wants an absolute path");
  if (execution->cwd != NULL)
    spec->cwd = execution->cwd;
  for (size_t i = 0; i < execution->capability_count; i++) {
    int number = oci_capability(execution->capabilities[i]);
    if (number < 0)
      return oci_usage(error, "\"%s\" is not a capability", execution->capabilities[i]);
    spec->capabilities.bounding |= UINT64_C(1) << number;
    spec->capabilities.permitted |= UINT64_C(1) << number;
    spec->capabilities.effective |= UINT64_C(1) << number;
  }
  spec->no_new_privileges = spec->no_new_privileges || execution->no_new_privileges;
  return execution->user == NULL ? 0 : parse_user(execution->user, spec, error);
}

/* The process of a file in the place of the container's own; its filter and devices are the container's. */
static int read_process(struct execution *execution, struct error *error) {
  struct container_spec *spec = &execution->config.spec, *other = &execution->process.spec;
  other->umask = 0022;
  if (oci_process_read(&execution->process, execution->process_file, error) < 0)
    return -1;
  free(spec->args.items);
  free(spec->env.items);
  spec->args = other->args;
  spec->env = other->env;
  other->args.items = other->env.items = NULL;
  spec->cwd = other->cwd;
  spec->uid = other->uid;
  spec->gid = other->gid;
  spec->groups = other->groups;
  spec->group_count = other->group_count;
  spec->umask = other->umask;
  memcpy(spec->rlimits, other->rlimits, sizeof spec->rlimits);
  spec->rlimit_count = other->rlimit_count;
  spec->capabilities = other->capabilities;
  spec->no_new_privileges = other->no_new_privileges;
  spec->has_oom_score = other->has_oom_score;
  spec->oom_score = other->oom_score;
  spec->terminal = other->terminal || execution->terminal;
  execution->config.rows = execution->process.rows;
  execution->config.columns = execution->process.columns;
  return 0;
}

static uint64_t namespaces_of(const struct container_spec *spec) {
  uint64_t all = spec->namespaces;
  for (size_t i = 0; i < spec->join_count; i++)
    all |= spec->joins[i].type;
  return all;
}

static int join_groups(const struct execution *execution, pid_t pid, struct error *error) {
  char text[16];
  snprintf(text, sizeof text, "%d", (int)pid);
  const struct json *groups = execution->state.cgroups;
  for (const struct json *group = groups == NULL ? NULL : groups->first; group != NULL; group = group->next) {
    char path[PATH_MAX];
    if (group->kind != JSON_STRING || snprintf(path, sizeof path, "%s/cgroup.procs", group->text) >= (int)sizeof path)
      return fail(error, STAGE_CGROUP, EINVAL, "cgroups");
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
      return fail(error, STAGE_CGROUP, errno, "%s", path);
  }
  return 0;
}

/* In the container already, with nothing of the host open but the way to the parent. */
static void run_process(const struct init *init, struct error *error) {
  static struct mount_set mounts;
  memset(&mounts, -1, sizeof mounts);
  cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  mounts.proc = mount_fs_open("proc", "proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (root < 0 || mounts.proc < 0) {
    fail(error, STAGE_MOUNT, errno, "proc");
    return;
  }
  if (init->spec->terminal) {
    struct statfs status;
    mounts.pts = open("/dev/pts", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* The container could have put anything there. */
    if (mounts.pts < 0 || fstatfs(mounts.pts, &status) < 0 || status.f_type != DEVPTS_SUPER_MAGIC) {
      fail(error, STAGE_TERMINAL, 0, "a terminal needs a devpts at /dev/pts");
      return;
    }
  }
  struct target_maker maker = {.root = root, .proc = mounts.proc};
  const struct process process = {.init = init, .mounts = &mounts, .root = root};
  process_start(&process, &maker, error);
}

/*
 * Enters the namespaces, of which the one for processes counts for children only: the child does the rest. Nobody in the
 * container may look into either, or use a descriptor of theirs (CVE-2016-9962): they are not dumpable, the binary is a sealed
 * copy, and nothing is open but stdio and the socket.
 */
static _Noreturn void enter(const struct execution *execution, const struct init *init) {
  static struct error error;
  const struct container_spec *spec = init->spec;
  char go;
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || read_all(init->socket, &go, 1) != 1)
    _exit(1);
  if (setsid() < 0 || setns(execution->pidfd, (int)namespaces_of(spec)) < 0) {
    fail(&error, STAGE_ISOLATION, errno, "namespaces of the container");
  } else if ((spec->namespaces & CLONE_NEWUSER) &&
             (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)) {
    fail(&error, STAGE_ISOLATION, errno, "root of the user namespace");
  } else {
    /* Opened after those that are kept, the socket comes behind them. */
    sys_close_range(3 + init->preserved_fds, (unsigned)init->socket - 1, 0);
    sys_close_range((unsigned)init->socket + 1, ~0U, 0);
    umask(0);
    run_process(init, &error);
  }
  report_failed(init->socket, &error);
  _exit(1);
}

/* A child in the container's pid namespace, which is this process's to wait for. */
static int start_process(struct execution *execution, struct error *error) {
  struct container_spec *spec = &execution->config.spec;
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "socket");
  execution->launch.socket = sockets[0];
  execution->init_socket = sockets[1];
  /* The container's root is what it is by now. */
  spec->readonly_rootfs = false;
  memset(&spec->hooks[HOOK_START_CONTAINER], 0, sizeof spec->hooks[0]);
  struct init init = {.spec = spec,
                      .socket = sockets[1],
                      .stdio = {-1, -1, -1},
                      .open_files = UINT64_MAX,
                      .outlives_parent = execution->detached,
                      .preserved_fds = execution->preserved_fds,
                      .gate = -1,
                      .network = -1};
  if (!oci_caller_size(&init.terminal_size))
    init.terminal_size.ws_row = 0;
  if (execution->config.rows != 0) {
    init.terminal_size.ws_row = execution->config.rows;
    init.terminal_size.ws_col = execution->config.columns;
  }
  const bool own_pids = (namespaces_of(spec) & CLONE_NEWPID) != 0;
  cleanup_fd int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  if (own < 0 || (own_pids && setns(execution->pidfd, CLONE_NEWPID) < 0))
    return fail(error, STAGE_ISOLATION, errno, "pid namespace");
  struct clone_args args = {.exit_signal = SIGCHLD};
  pid_t pid = sys_clone3(&args);
  if (pid == 0)
    enter(execution, &init);
  if (pid < 0)
    return fail(error, STAGE_CLONE, errno, "clone3");
  execution->pid = pid;
  cleanup_fd_at(&execution->init_socket);
  if (own_pids && setns(own, CLONE_NEWPID) < 0)
    return fail(error, STAGE_ISOLATION, errno, "pid namespace");
  if (join_groups(execution, pid, error) < 0)
    return -1;
  (void)!write_all(execution->launch.socket, "", 1);
  if (oci_launch_wait(&execution->launch, error) < 0 || oci_launch_started(&execution->launch, error) < 0)
    return -1;
  return execution->pid_file == NULL ? 0 : oci_write_pid(execution->pid_file, pid, error);
}

static int open_container(struct execution *execution, const char *root, const char *id, struct error *error) {
  if (oci_state_open(&execution->state, root, id, error) < 0)
    return -1;
  enum oci_status status = oci_state_status(&execution->state);
  if (status != OCI_RUNNING && status != OCI_CREATED)
    return oci_usage(error, "cannot exec in container \"%s\": it is %s", id, oci_status_name(status));
  execution->pidfd = sys_pidfd_open(execution->state.pid);
  if (execution->pidfd < 0 || oci_start_time(execution->state.pid) != execution->state.start_time)
    return oci_usage(error, "cannot exec in container \"%s\": it is stopped", id);
  return oci_state_read_config(&execution->state, &execution->config, error);
}

int oci_exec_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  static struct execution execution;
  execution = (struct execution){.pidfd = -1, .launch = {.socket = -1, .master = -1}, .state = {.directory = -1}};
  execution.env = calloc((size_t)argc, sizeof *execution.env);
  execution.capabilities = calloc((size_t)argc, sizeof *execution.capabilities);
  int at;
  if (execution.env == NULL || execution.capabilities == NULL)
    return fail(error, STAGE_SUPERVISOR, ENOMEM, "memory");
  if (read_options(&execution, argc, argv, &at, error) < 0)
    return -1;
  oci_block_signals();
  if (open_container(&execution, globals->root, argv[at], error) < 0)
    return -1;
  if ((execution.process_file != NULL ? read_process(&execution, error)
                                      : change_process(&execution, argv + at + 1, (size_t)(argc - at - 1), error)) < 0)
    return -1;
  if (oci_check_console(execution.config.spec.terminal, execution.console_socket, execution.detached, error) < 0)
    return -1;
  execution.launch.console_socket = execution.console_socket;
  if (start_process(&execution, error) < 0) {
    if (execution.pid > 0) {
      kill(execution.pid, SIGKILL);
      waitpid(execution.pid, NULL, 0);
    }
    return -1;
  }
  /* The container may end, or be killed, while the process runs. */
  cleanup_fd_at(&execution.state.directory);
  int status;
  if (execution.detached)
    return 0;
  if (oci_attend(execution.pid, execution.launch.master, &status, error) < 0)
    return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
