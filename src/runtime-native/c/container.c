#include "container.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "container_network.h"
#include "container_stacks.h"
#include "init.h"
#include "io.h"
#include "namespaces.h"
#include "stage.h"
#include "syscalls.h"

/* Both ends of what connects the process with its parent. */
struct connections {
  int parent_socket;
  int init_socket;
  /* The container's network namespace, which its processes keep; -1 for the host's. */
  int network;
  /* Ends of the process, -1 with a terminal. */
  int stdio[RELAY_COUNT];
  /* The other ends. */
  int relayed[RELAY_COUNT];
};

static void close_all(int *descriptors, size_t count) {
  for (size_t i = 0; i < count; i++)
    cleanup_fd_at(&descriptors[i]);
}

/*
 * Pipes even where the caller has a file or a terminal: a container shall not get a descriptor of the host, and
 * /dev/stdout can be opened again only when it is a pipe.
 */
static int open_connections(struct connections *connections, const struct container_spec *spec, struct error *error) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "socket");
  connections->parent_socket = sockets[0];
  connections->init_socket = sockets[1];
  for (int fd = 0; fd < RELAY_COUNT && !spec->terminal; fd++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
      return fail(error, STAGE_SUPERVISOR, errno, "pipe");
    connections->stdio[fd] = ends[fd == 0 ? 0 : 1];
    connections->relayed[fd] = ends[fd == 0 ? 1 : 0];
  }
  return 0;
}

/* Starts the first process in its namespaces, and with version 2 in its group: *in_group tells. */
static pid_t start_process(const struct container_spec *spec, const struct cgroup *cgroup, int *pidfd, bool *in_group) {
  /* With another runtime, those around what that will make. */
  const uint64_t own = spec->runtime.path != NULL ? CLONE_NEWNS | CLONE_NEWPID : namespaces_flags(spec);
  const uint64_t flags = own | CLONE_PIDFD;
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

static int open_writes(const struct container_spec *spec, struct error *error) {
  const char *path = spec->rootfs_directory != NULL ? spec->rootfs_directory : spec->rootfs.upper;
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? fail(error, STAGE_ROOTFS, errno, "%s", path) : fd;
}

static pid_t host_pid(int pidfd, pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read_all(fd, text, sizeof text - 1);
  if (size < 0)
    return pid;
  text[size] = '\0';
  const char *line = strstr(text, "\nPid:");
  long shown = line == NULL ? 0 : strtol(line + 5, NULL, 10);
  return shown > 0 ? (pid_t)shown : pid;
}

static int start(struct container *container, struct connections *connections, struct error *error) {
  const struct container_owner *owner = container->owner;
  struct container_spec *spec = &container->spec;
  if (spec->remove_stubs && (container->stubs.root = open_writes(spec, error)) < 0)
    return -1;
  if (container_stacks_open(container, error) < 0)
    return -1;
  if (cgroup_create(&container->cgroup, owner->groups, spec, error) < 0)
    return -1;
  if (container->cgroup.version == CGROUP_V2)
    spec->namespaces |= CLONE_NEWCGROUP;
  if (open_connections(connections, spec, error) < 0 ||
      container_network_open(container, &connections->network, error) < 0)
    return -1;
  struct init init = {.spec = spec,
                      .cgroup = &container->cgroup,
                      .socket = connections->init_socket,
                      .gate = -1,
                      .network = connections->network,
                      .open_files = owner->open_files,
                      .terminal_size = owner->terminal_size};
  memcpy(init.stdio, connections->stdio, sizeof init.stdio);

  bool in_group;
  container->pid = start_process(spec, &container->cgroup, &container->pidfd, &in_group);
  if (container->pid == 0)
    init_run(&init);
  container_stacks_release(container);
  if (container->pid < 0)
    return fail(error, STAGE_CLONE, errno, "clone3");
  container->reports = steal_fd(&connections->parent_socket);
  container->host_pid = host_pid(container->pidfd, container->pid);
  const struct status_record created = status_created(container->host_pid);
  owner->on_status(container, &created);
  if (owner->connect(container, connections->relayed, error) < 0)
    return -1;
  /* One that is gone by now has said why. */
  if (!in_group && cgroup_join_v2(&container->cgroup, container->pid, error) < 0 && error->code != ESRCH)
    return -1;
  (void)!write_all(container->reports, "", 1);
  return 0;
}

void container_start(struct container *container, const struct container_owner *owner, void *context,
                     uint8_t *description, size_t size) {
  struct connections connections;
  memset(&connections, -1, sizeof connections);
  container->owner = owner;
  container->context = context;
  container->description = description;
  container->pidfd = container->reports = container->stubs.root = container->ports = -1;
  container->deadline = -1;
  for (size_t i = 0; i < RELAY_COUNT; i++)
    relay_init(&container->relays[i]);
  if (spec_parse(description, size, &container->spec, &container->error) < 0 ||
      start(container, &connections, &container->error) < 0) {
    container->failed = true;
    if (container->pid > 0)
      container_signal(container, SIGKILL);
    else
      container->exited = true;
  }
  cleanup_fd_at(&connections.parent_socket);
  cleanup_fd_at(&connections.init_socket);
  cleanup_fd_at(&connections.network);
  close_all(connections.stdio, RELAY_COUNT);
  close_all(connections.relayed, RELAY_COUNT);
}

void container_free(struct container *container) {
  for (size_t i = 0; i < RELAY_COUNT; i++)
    relay_close(&container->relays[i]);
  cleanup_fd_at(&container->pidfd);
  cleanup_fd_at(&container->reports);
  cleanup_fd_at(&container->stubs.root);
  cleanup_fd_at(&container->ports);
  spec_free(&container->spec);
  free(container->description);
  container->description = NULL;
}
