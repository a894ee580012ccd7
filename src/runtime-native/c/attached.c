/*
 * `tsbuild-runtime container`: one container on the stdio of the caller, from its start to its end.
 *
 * Descriptors: 0-2 the caller's stdio, 3 the description, 4 the status records, 5 the control messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cgroup_find.h"
#include "cgroup_sweep.h"
#include "commands.h"
#include "container.h"
#include "io.h"
#include "open_files.h"
#include "own_binary.h"
#include "stage.h"
#include "syscalls.h"

enum { SPEC_FD = 3, STATUS_FD = 4, CONTROL_FD = 5, FIRST_FREE_FD = 6 };

/* Control messages: what, its value, and the number by which a request is answered. */
enum { CONTROL_SIGNAL = 1, CONTROL_REQUEST = 2 };
struct control_message {
  uint32_t kind;
  uint32_t value;
  uint32_t number;
};

struct attachment {
  struct container container;
  /* -1 once the caller has closed it: nobody watches the container any more. */
  int control;
  /* Delivers the signals to forward. */
  int signals;
  /* Its worker is forked when a network namespace is needed. */
  struct net_pool networks;
  pid_t worker;
  /* Master of the container's terminal, owned by a relay; -1 without one. */
  int terminal;
  bool is_raw;
  struct termios saved;
};

/* Blocks the signals that are forwarded; the descriptor delivers them. */
static int open_signals(struct error *error) {
  static const int not_forwarded[] = {SIGCHLD, SIGURG, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGSEGV,
                                      SIGBUS,  SIGILL, SIGFPE,  SIGTRAP, SIGABRT, SIGSYS};
  sigset_t set;
  sigfillset(&set);
  for (size_t i = 0; i < sizeof not_forwarded / sizeof not_forwarded[0]; i++)
    sigdelset(&set, not_forwarded[i]);
  /* Output to a caller that is gone fails as a write, and a background process may still restore the terminal. */
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTTIN, SIG_IGN);
  signal(SIGTTOU, SIG_IGN);
  if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "signal mask");
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd < 0 ? fail(error, STAGE_SUPERVISOR, errno, "signalfd") : fd;
}

static bool read_size(struct winsize *size) {
  return ioctl(0, TIOCGWINSZ, size) == 0 || ioctl(1, TIOCGWINSZ, size) == 0;
}

static void forward_signal(struct attachment *attachment) {
  struct signalfd_siginfo info;
  struct winsize size;
  if (read(attachment->signals, &info, sizeof info) != sizeof info)
    return;
  if (info.ssi_signo != SIGWINCH)
    container_signal(&attachment->container, (int)info.ssi_signo);
  else if (attachment->terminal >= 0 && read_size(&size))
    ioctl(attachment->terminal, TIOCSWINSZ, &size);
}

static void read_control(struct attachment *attachment) {
  struct control_message message;
  const bool is_whole = read_all(attachment->control, &message, sizeof message) == (ssize_t)sizeof message;
  if (is_whole && message.kind == CONTROL_SIGNAL && message.value < NSIG) {
    container_signal(&attachment->container, (int)message.value);
    return;
  }
  if (is_whole && message.kind == CONTROL_REQUEST) {
    container_request(&attachment->container, (enum container_request)message.value, message.number);
    return;
  }
  /* The end, or nonsense: in either case nobody watches this container any more. */
  close(attachment->control);
  attachment->control = -1;
  container_abandon(&attachment->container);
}

static void send_status(struct container *container, const struct status_record *record) {
  (void)container;
  /* A reader that is gone is no failure: there is nobody left to tell. */
  (void)!write_all(STATUS_FD, record, sizeof *record);
}

static int connect_stdio(struct container *container, int ends[RELAY_COUNT], struct error *error) {
  if (container->spec.terminal)
    return 0;
  if (container->spec.open_stdin) {
    int copy = fcntl(0, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    if (copy < 0)
      return fail(error, STAGE_SUPERVISOR, errno, "stdin");
    relay_open(&container->relays[RELAY_STDIN], copy, ends[RELAY_STDIN], false, true);
  } else {
    close(ends[RELAY_STDIN]);
  }
  relay_open(&container->relays[RELAY_STDOUT], ends[RELAY_STDOUT], 1, true, false);
  relay_open(&container->relays[RELAY_STDERR], ends[RELAY_STDERR], 2, true, false);
  ends[RELAY_STDIN] = ends[RELAY_STDOUT] = ends[RELAY_STDERR] = -1;
  return 0;
}

/* Holds nothing of the caller's, so that nobody waits for it by mistake. */
static _Noreturn void run_worker(int socket) {
  enum { WORKER_FD = 3 };
  static struct net_worker worker;
  setsid();
  if (dup2(socket, WORKER_FD) < 0 || sys_close_range(0, WORKER_FD - 1, 0) < 0 ||
      sys_close_range(WORKER_FD + 1, ~0U, 0) < 0)
    _exit(1);
  net_worker_answer(&worker, WORKER_FD);
  net_worker_leave(&worker);
  _exit(0);
}

static struct net_pool *open_networks(struct container *container, struct error *error) {
  struct attachment *attachment = container->context;
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
    fail(error, STAGE_NETWORK, errno, "socket");
    return NULL;
  }
  attachment->worker = fork();
  if (attachment->worker == 0)
    run_worker(sockets[0]);
  close(sockets[0]);
  net_pool_open(&attachment->networks, sockets[1], 0);
  return &attachment->networks;
}

/* Waits until what was made for the network is gone. */
static void close_networks(struct attachment *attachment) {
  net_pool_close(&attachment->networks);
  while (attachment->worker > 0 && waitpid(attachment->worker, NULL, 0) < 0 && errno == EINTR)
    ;
}

/* Keys go to the container as they are; its terminal makes signals of them. */
static void make_raw(struct attachment *attachment) {
  if (tcgetattr(0, &attachment->saved) < 0)
    return;
  struct termios raw = attachment->saved;
  cfmakeraw(&raw);
  attachment->is_raw = tcsetattr(0, TCSANOW, &raw) == 0;
}

static void take_terminal(struct container *container, int master) {
  struct attachment *attachment = container->context;
  int copy = fcntl(master, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
  if (copy < 0 || attachment->terminal >= 0) {
    close(master);
    return;
  }
  attachment->terminal = master;
  make_raw(attachment);
  relay_open(&container->relays[RELAY_STDIN], fcntl(0, F_DUPFD_CLOEXEC, FIRST_FREE_FD), copy, false, false);
  relay_open(&container->relays[RELAY_STDOUT], master, 1, true, false);
}

static void serve(struct attachment *attachment) {
  enum { POLL_SIGNALS = CONTAINER_POLLS, POLL_CONTROL, POLL_COUNT };
  struct pollfd entries[POLL_COUNT];
  int timeout = container_poll(&attachment->container, entries);
  entries[POLL_SIGNALS] = (struct pollfd){.fd = attachment->signals, .events = POLLIN};
  entries[POLL_CONTROL] = (struct pollfd){.fd = attachment->control, .events = POLLIN};
  if (poll(entries, POLL_COUNT, timeout) < 0)
    return;
  if (entries[POLL_SIGNALS].revents)
    forward_signal(attachment);
  if (entries[POLL_CONTROL].revents)
    read_control(attachment);
  container_serve(&attachment->container, entries);
}

static void fail_early(const struct error *error) {
  const struct status_record record = status_failed(error);
  send_status(NULL, &record);
}

int container_main(int argc, char **argv) {
  (void)argv;
  static struct attachment attachment = {.control = CONTROL_FD, .terminal = -1, .networks.socket = -1};
  static struct cgroup groups;
  struct error error;
  uint8_t *data = NULL;
  size_t size;
  if (argc != 1 || fcntl(SPEC_FD, F_GETFD) < 0 || fcntl(STATUS_FD, F_GETFD) < 0 || fcntl(CONTROL_FD, F_GETFD) < 0)
    return 2;
  /* Whatever else the caller left open must not get near the container. */
  sys_close_range(FIRST_FREE_FD, ~0U, 0);
  own_binary_seal(OWN_BINARY_COPY, (char *[]){(char *)(uintptr_t) "tsbuild-runtime", (char *)(uintptr_t) "container", NULL});
  sys_close_range(SPEC_FD, CONTROL_FD, CLOSE_RANGE_CLOEXEC);
  if (read_to_end(SPEC_FD, SPEC_SIZE_MAX, &data, &size) < 0) {
    fail(&error, STAGE_SPEC, errno, "read");
    fail_early(&error);
    return 0;
  }
  if ((attachment.signals = open_signals(&error)) < 0 || cgroup_find(&groups, &error) < 0) {
    fail_early(&error);
    return 0;
  }
  cgroup_sweep(&groups);
  struct container_owner owner = {.on_status = send_status,
                                  .connect = connect_stdio,
                                  .on_terminal = take_terminal,
                                  .open_files = open_files_original(),
                                  .networks = open_networks,
                                  .groups = &groups};
  if (!read_size(&owner.terminal_size))
    owner.terminal_size.ws_row = 0;
  container_start(&attachment.container, &owner, &attachment, data, size);
  while (attachment.container.state == CONTAINER_ALIVE)
    serve(&attachment);
  if (attachment.is_raw)
    tcsetattr(0, TCSADRAIN, &attachment.saved);
  while (attachment.container.state != CONTAINER_GONE)
    serve(&attachment);
  container_free(&attachment.container);
  close_networks(&attachment);
  return 0;
}
