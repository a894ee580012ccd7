#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "io.h"
#include "report.h"
#include "stage.h"
#include "status.h"
#include "syscalls.h"

/* How long to wait for the end of the output once nobody in the container can write: someone outside holds the pipe. */
#define DRAIN_TIMEOUT_MS 500

/* Control messages: the first word tells what, the second is its value. */
enum { CONTROL_SIGNAL = 1 };
struct control_message {
  uint32_t kind;
  uint32_t value;
};

int supervisor_signals(struct error *error) {
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

static void send_signal(const struct supervisor *supervisor, int number) {
  if (!supervisor->exited)
    sys_pidfd_send_signal(supervisor->pidfd, number);
}

void supervisor_kill(const struct supervisor *supervisor) { send_signal(supervisor, SIGKILL); }

static void resize_terminal(const struct supervisor *supervisor) {
  struct winsize size;
  if (supervisor->terminal >= 0 && (ioctl(0, TIOCGWINSZ, &size) == 0 || ioctl(1, TIOCGWINSZ, &size) == 0))
    ioctl(supervisor->terminal, TIOCSWINSZ, &size);
}

static void forward_signal(const struct supervisor *supervisor) {
  struct signalfd_siginfo info;
  if (read(supervisor->signals, &info, sizeof info) != sizeof info)
    return;
  if (info.ssi_signo == SIGWINCH)
    resize_terminal(supervisor);
  else
    send_signal(supervisor, (int)info.ssi_signo);
}

static void read_control(struct supervisor *supervisor) {
  struct control_message message;
  if (read_all(supervisor->control, &message, sizeof message) == (ssize_t)sizeof message &&
      message.kind == CONTROL_SIGNAL && message.value < NSIG) {
    send_signal(supervisor, (int)message.value);
    return;
  }
  /* The end, or nonsense: in either case nobody watches this container any more. */
  close(supervisor->control);
  supervisor->control = -1;
  supervisor_kill(supervisor);
}

/* Keys go to the container as they are; its terminal makes signals of them. */
static void make_raw(struct supervisor *supervisor) {
  if (tcgetattr(0, &supervisor->saved) < 0)
    return;
  struct termios raw = supervisor->saved;
  cfmakeraw(&raw);
  supervisor->is_raw = tcsetattr(0, TCSANOW, &raw) == 0;
}

static void take_terminal(struct supervisor *supervisor, int master) {
  int copy = fcntl(master, F_DUPFD_CLOEXEC, 3);
  if (copy < 0 || supervisor->terminal >= 0) {
    close(master);
    return;
  }
  supervisor->terminal = master;
  make_raw(supervisor);
  relay_open(&supervisor->relays[RELAY_STDIN], fcntl(0, F_DUPFD_CLOEXEC, 3), copy, false, false);
  relay_open(&supervisor->relays[RELAY_STDOUT], master, 1, true, false);
}

static void read_report(struct supervisor *supervisor) {
  static struct report report;
  cleanup_fd int fd = -1;
  if (report_receive(supervisor->reports, &report, &fd) <= 0) {
    if (errno == EAGAIN)
      return;
    /* Closed by the exec if it was announced, by a death if not. */
    close(supervisor->reports);
    supervisor->reports = -1;
    supervisor->started = supervisor->ready && !supervisor->failed;
    if (supervisor->started)
      status_started(supervisor->status, supervisor->pid);
    return;
  }
  switch (report.kind) {
  case REPORT_FAILED:
    supervisor->failed = true;
    supervisor->error = report.error;
    return;
  case REPORT_MADE:
    stubs_add(&supervisor->stubs, &report);
    return;
  case REPORT_TERMINAL:
    if (fd >= 0)
      take_terminal(supervisor, steal_fd(&fd));
    return;
  case REPORT_READY:
    supervisor->ready = true;
    return;
  }
}

static void reap(struct supervisor *supervisor) {
  pid_t pid;
  do
    pid = waitpid(supervisor->pid, &supervisor->wait_status, WNOHANG);
  while (pid < 0 && errno == EINTR);
  if (pid == 0)
    return;
  supervisor->exited = true;
  /* Nobody is left to read it. */
  relay_close(&supervisor->relays[RELAY_STDIN]);
}

static bool is_delivered(const struct supervisor *supervisor) {
  return relay_is_done(&supervisor->relays[RELAY_STDOUT]) && relay_is_done(&supervisor->relays[RELAY_STDERR]);
}

static bool waits_for_reader(const struct supervisor *supervisor) {
  return relay_is_full(&supervisor->relays[RELAY_STDOUT]) || relay_is_full(&supervisor->relays[RELAY_STDERR]);
}

enum { POLL_SIGNALS, POLL_CONTROL, POLL_REPORTS, POLL_PID, POLL_RELAYS, POLL_COUNT = POLL_RELAYS + RELAY_COUNT };

/* One turn of the loop; false when there is nothing left to do. */
static bool serve(struct supervisor *supervisor) {
  if (supervisor->exited && supervisor->reports < 0 &&
      (is_delivered(supervisor) || (supervisor->control < 0 && waits_for_reader(supervisor))))
    return false;
  struct pollfd entries[POLL_COUNT] = {
      [POLL_SIGNALS] = {.fd = supervisor->signals, .events = POLLIN},
      [POLL_CONTROL] = {.fd = supervisor->control, .events = POLLIN},
      [POLL_REPORTS] = {.fd = supervisor->reports, .events = POLLIN},
      [POLL_PID] = {.fd = supervisor->exited ? -1 : supervisor->pidfd, .events = POLLIN},
  };
  for (size_t i = 0; i < RELAY_COUNT; i++)
    relay_poll(&supervisor->relays[i], &entries[POLL_RELAYS + i]);
  const bool drains = supervisor->exited && supervisor->reports < 0 && !waits_for_reader(supervisor);
  int ready = poll(entries, POLL_COUNT, drains ? DRAIN_TIMEOUT_MS : -1);
  if (ready < 0)
    return errno == EINTR;
  if (ready == 0)
    return false;
  if (entries[POLL_SIGNALS].revents)
    forward_signal(supervisor);
  if (entries[POLL_CONTROL].revents)
    read_control(supervisor);
  /* Before the exit: a process that failed has said why first. */
  if (entries[POLL_REPORTS].revents)
    read_report(supervisor);
  else if (entries[POLL_PID].revents)
    reap(supervisor);
  for (size_t i = 0; i < RELAY_COUNT; i++)
    relay_move(&supervisor->relays[i], &entries[POLL_RELAYS + i]);
  return true;
}

void supervisor_run(struct supervisor *supervisor) {
  while (serve(supervisor))
    ;
  for (size_t i = 0; i < RELAY_COUNT; i++)
    relay_close(&supervisor->relays[i]);
  if (supervisor->is_raw)
    tcsetattr(0, TCSADRAIN, &supervisor->saved);
}
