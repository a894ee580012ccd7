/*
 * `tsbuild-runtime container`: starts one container and stays with it to its end.
 *
 * Descriptors: 0-2 the caller's stdio, 3 the description, 4 the status records, 5 the control messages.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "cleanup.h"
#include "commands.h"
#include "init.h"
#include "io.h"
#include "open_files.h"
#include "spec.h"
#include "stage.h"
#include "status.h"
#include "supervisor.h"
#include "syscalls.h"

enum { SPEC_FD = 3, STATUS_FD = 4, CONTROL_FD = 5, FIRST_FREE_FD = 6 };

/* Both ends of what connects the supervisor with the first process. */
struct connections {
  int supervisor_socket;
  int init_socket;
  /* Ends of the process, -1 with a terminal. */
  int stdio[3];
  /* The other ends. */
  int relayed[3];
};

/*
 * Pipes even where the caller has a file or a terminal: a container shall not get a descriptor of the host, and
 * /dev/stdout can be opened again only when it is a pipe.
 */
static int open_connections(struct connections *connections, const struct container_spec *spec, struct error *error) {
  int sockets[2];
  memset(connections, -1, sizeof *connections);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "socket");
  connections->supervisor_socket = sockets[0];
  connections->init_socket = sockets[1];
  for (int fd = 0; fd < 3 && !spec->terminal; fd++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
      return fail(error, STAGE_SUPERVISOR, errno, "pipe");
    connections->stdio[fd] = ends[fd == 0 ? 0 : 1];
    connections->relayed[fd] = ends[fd == 0 ? 1 : 0];
  }
  return 0;
}

static void close_init_side(struct connections *connections) {
  cleanup_fd_at(&connections->init_socket);
  for (int fd = 0; fd < 3; fd++)
    cleanup_fd_at(&connections->stdio[fd]);
}

/* Starts the first process in its namespaces, and with version 2 in its group: *in_group tells. */
static pid_t start_process(const struct container_spec *spec, const struct cgroup *cgroup, int *pidfd, bool *in_group) {
  uint64_t flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_PIDFD;
  if (spec->own_network)
    flags |= CLONE_NEWNET;
  struct clone_args args = {.flags = flags, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD};
  int group = cgroup_v2_directory(cgroup);
  *in_group = group >= 0;
  if (group >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)group;
    pid_t pid = sys_clone3(&args);
    if (pid >= 0)
      return pid;
    /* Linux before 5.7, or a group that takes no process this way: it is moved there instead. */
    *in_group = false;
    args.flags = flags;
    args.cgroup = 0;
  }
  return sys_clone3(&args);
}

static void open_relays(struct supervisor *supervisor, struct connections *connections) {
  const struct container_spec *spec = supervisor->spec;
  for (size_t i = 0; i < RELAY_COUNT; i++)
    supervisor->relays[i].from = supervisor->relays[i].to = -1;
  if (spec->terminal)
    return;
  if (spec->open_stdin)
    relay_open(&supervisor->relays[RELAY_STDIN], fcntl(0, F_DUPFD_CLOEXEC, FIRST_FREE_FD), connections->relayed[0],
               false, true);
  else
    close(connections->relayed[0]);
  relay_open(&supervisor->relays[RELAY_STDOUT], connections->relayed[1], 1, true, false);
  relay_open(&supervisor->relays[RELAY_STDERR], connections->relayed[2], 2, true, false);
}

static int open_writes(const struct container_spec *spec, struct error *error) {
  const char *path = spec->rootfs_directory != NULL ? spec->rootfs_directory : spec->rootfs.upper;
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? fail(error, STAGE_ROOTFS, errno, "%s", path) : fd;
}

/* Starts the process and serves it until it is gone; -1 if it never got as far as its command. */
static int start_and_serve(struct supervisor *supervisor, const struct cgroup *cgroup, struct error *error) {
  struct connections connections;
  if (open_connections(&connections, supervisor->spec, error) < 0)
    return -1;
  struct init init = {.spec = supervisor->spec,
                      .cgroup = cgroup,
                      .socket = connections.init_socket,
                      .open_files = open_files_original()};
  memcpy(init.stdio, connections.stdio, sizeof init.stdio);
  if (ioctl(0, TIOCGWINSZ, &init.terminal_size) < 0 && ioctl(1, TIOCGWINSZ, &init.terminal_size) < 0)
    init.terminal_size.ws_row = 0;

  bool in_group;
  supervisor->pid = start_process(supervisor->spec, cgroup, &supervisor->pidfd, &in_group);
  if (supervisor->pid == 0) {
    close(connections.supervisor_socket);
    init_run(&init);
  }
  if (supervisor->pid < 0)
    return fail(error, STAGE_CLONE, errno, "clone3");
  status_created(supervisor->status, supervisor->pid);
  close_init_side(&connections);
  supervisor->reports = connections.supervisor_socket;
  open_relays(supervisor, &connections);
  if (cgroup_join(cgroup, supervisor->pid, in_group, error) < 0) {
    supervisor_kill(supervisor);
    supervisor_run(supervisor);
    return -1;
  }
  (void)!write_all(supervisor->reports, "", 1);
  supervisor_run(supervisor);
  if (supervisor->failed) {
    *error = supervisor->error;
    return -1;
  }
  return supervisor->started ? 0 : fail(error, STAGE_SUPERVISOR, 0, "killed while it was set up");
}

static unsigned exit_code(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128u + (unsigned)WTERMSIG(wait_status) : (unsigned)WEXITSTATUS(wait_status);
}

/* The whole life of a container; everything that was made is gone when it returns. */
static int run(struct supervisor *supervisor, const struct container_spec *spec, struct error *error,
               bool *oom_killed) {
  static struct cgroup cgroup;
  supervisor->spec = spec;
  supervisor->signals = supervisor_signals(error);
  if (supervisor->signals < 0)
    return -1;
  if (spec->remove_stubs) {
    supervisor->stubs.root = open_writes(spec, error);
    if (supervisor->stubs.root < 0)
      return -1;
  }
  if (cgroup_create(&cgroup, spec->id, spec->insecure, error) < 0)
    return -1;
  int result = start_and_serve(supervisor, &cgroup, error);
  /* The counter goes with the group. */
  *oom_killed = cgroup_oom_killed(&cgroup);
  cgroup_remove(&cgroup);
  if (spec->remove_stubs)
    stubs_remove(&supervisor->stubs);
  return result;
}

int container_main(int argc, char **argv) {
  (void)argv;
  static struct supervisor supervisor = {
      .status = STATUS_FD, .control = CONTROL_FD, .reports = -1, .terminal = -1, .pidfd = -1, .stubs = {.root = -1}};
  static struct container_spec spec;
  struct error error;
  uint8_t *data = NULL;
  size_t size;
  if (argc != 1 || fcntl(SPEC_FD, F_GETFD) < 0 || fcntl(STATUS_FD, F_GETFD) < 0 || fcntl(CONTROL_FD, F_GETFD) < 0)
    return 2;
  /* Whatever else the caller left open must not get near the container. */
  sys_close_range(FIRST_FREE_FD, ~0U, 0);
  sys_close_range(SPEC_FD, CONTROL_FD, CLOSE_RANGE_CLOEXEC);
  int result;
  bool oom_killed = false;
  if (read_to_end(SPEC_FD, SPEC_SIZE_MAX, &data, &size) < 0)
    result = fail(&error, STAGE_SPEC, errno, "read");
  else
    result = spec_parse(data, size, &spec, &error);
  if (result == 0)
    result = run(&supervisor, &spec, &error, &oom_killed);
  if (result == 0)
    status_exited(STATUS_FD, exit_code(supervisor.wait_status), oom_killed);
  else
    status_failed(STATUS_FD, &error);
  spec_free(&spec);
  free(data);
  return 0;
}
