#include "net_uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "net_filter.h"
#include "netlink.h"
#include "stage.h"
#include "syscalls.h"

#define OWN_NAMESPACE "/proc/self/ns/net"

bool net_uplink_is_needed(void) {
  cleanup_fd int home = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
  return home >= 0 && setns(home, CLONE_NEWNET) < 0 && errno == EPERM;
}

/* The source of what would go out by the default route. Nothing is sent. */
static uint32_t find_host_address(void) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(PROBE_PORT), .sin_addr = {.s_addr = htonl(PROBE_ADDRESS)}};
  socklen_t size = sizeof address;
  cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr *)&address, size) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &size) < 0)
    return 0;
  return ntohl(address.sin_addr.s_addr);
}

int net_uplink_leave_host(struct net_uplink *uplink, struct error *error) {
  int sockets[2];
  *uplink = NET_UPLINK_NONE;
  uplink->host_address = find_host_address();
  uplink->host_rt = netlink_open(NETLINK_ROUTE);
  if (uplink->host_rt < 0)
    return fail(error, STAGE_NETWORK, errno, "rtnetlink");
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
    return fail(error, STAGE_NETWORK, errno, "socket");
  /* Whatever ends the first process of a pid namespace ends the others, which may have got rid of their death signal. */
  struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
  uplink->pid = (pid_t)sys_clone3(&args);
  if (uplink->pid == 0) {
    close(sockets[0]);
    net_uplink_run(sockets[1]);
  }
  const int code = errno;
  close(sockets[1]);
  uplink->socket = sockets[0];
  if (uplink->pid < 0) {
    uplink->pid = 0;
    return fail(error, STAGE_NETWORK, code, "process");
  }
  return unshare(CLONE_NEWNET) < 0 ? fail(error, STAGE_NETWORK, errno, "namespace") : 0;
}

/*
 * A process to name the namespace by. pasta gives up the capability to look into a process that has more capabilities than
 * itself or is not dumpable, so this one has none and is; it has no descriptors, and ends when the namespace was opened.
 */
static pid_t start_target(struct error *error) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    return fail(error, STAGE_NETWORK, errno, "pipe");
  const pid_t pid = fork();
  if (pid == 0) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || syscall(__NR_capset, &header, none) < 0 ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
      _exit(1);
    /* Tells the parent that it is ready, too. */
    sys_close_range(0, ~0U, 0);
    for (;;)
      pause();
  }
  char end;
  const int code = errno;
  close(ends[1]);
  while (pid > 0 && read(ends[0], &end, 1) < 0 && errno == EINTR)
    ;
  close(ends[0]);
  return pid < 0 ? fail(error, STAGE_NETWORK, code, "process") : pid;
}

static void reap(pid_t pid) {
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
    ;
}

int net_uplink_connect(struct net_uplink *uplink, struct subnet range, struct error *error) {
  static struct error answer;
  if (range.prefix == 0)
    return fail(error, STAGE_NETWORK, 0, "no range of addresses is free");
  const struct uplink_request request = {.target = start_target(error), .range = range};
  if (request.target < 0)
    return -1;
  ssize_t got = send(uplink->socket, &request, sizeof request, MSG_NOSIGNAL);
  while (got >= 0 && (got = recv(uplink->socket, &answer, sizeof answer, 0)) < 0 && errno == EINTR)
    ;
  kill(request.target, SIGKILL);
  reap(request.target);
  if (got != (ssize_t)sizeof answer)
    return fail(error, STAGE_NETWORK, 0, "the process that makes networks has ended");
  if (uplink->host_address == 0)
    uplink->host_address = range.address + 2;
  if (answer.stage == 0)
    return 0;
  *error = answer;
  return -1;
}

void net_uplink_close(struct net_uplink *uplink) {
  cleanup_fd_at(&uplink->socket);
  cleanup_fd_at(&uplink->host_rt);
  if (uplink->pid > 0)
    reap(uplink->pid);
  uplink->pid = 0;
}
