#include "oci_attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "cleanup.h"
#include "fd_message.h"
#include "relay.h"
#include "stage.h"
#include "syscalls.h"

bool oci_caller_size(struct winsize *size) { return ioctl(0, TIOCGWINSZ, size) == 0 || ioctl(1, TIOCGWINSZ, size) == 0; }

static void fill_set(sigset_t *set) {
  static const int not_forwarded[] = {SIGCHLD, SIGURG, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGSEGV,
                                      SIGBUS,  SIGILL, SIGFPE,  SIGTRAP, SIGABRT, SIGSYS};
  sigfillset(set);
  for (size_t i = 0; i < sizeof not_forwarded / sizeof not_forwarded[0]; i++)
    sigdelset(set, not_forwarded[i]);
}

void oci_block_signals(void) {
  sigset_t set;
  fill_set(&set);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
}

static void forward(int signals, int pidfd, int master) {
  struct signalfd_siginfo info;
  struct winsize size;
  if (read(signals, &info, sizeof info) != sizeof info)
    return;
  if (info.ssi_signo != SIGWINCH)
    sys_pidfd_send_signal(pidfd, (int)info.ssi_signo);
  else if (master >= 0 && oci_caller_size(&size))
    ioctl(master, TIOCSWINSZ, &size);
}

struct console {
  struct relay input;
  struct relay output;
  int master;
  bool is_raw;
  struct termios saved;
};

/* Keys go to the container as they are; its terminal makes signals of them. */
static void open_console(struct console *console, int master) {
  relay_init(&console->input);
  relay_init(&console->output);
  console->master = master;
  if (master < 0)
    return;
  relay_open(&console->input, fcntl(0, F_DUPFD_CLOEXEC, 3), fcntl(master, F_DUPFD_CLOEXEC, 3), false, true);
  relay_open(&console->output, fcntl(master, F_DUPFD_CLOEXEC, 3), 1, true, false);
  if (tcgetattr(0, &console->saved) < 0)
    return;
  struct termios raw = console->saved;
  cfmakeraw(&raw);
  console->is_raw = tcsetattr(0, TCSANOW, &raw) == 0;
}

/* What the terminal still holds is read until it says that nobody has it open any more. */
static void drain(struct console *console) {
  struct pollfd entry;
  while (console->master >= 0 && !relay_is_done(&console->output)) {
    relay_poll(&console->output, &entry);
    if (poll(&entry, 1, 100) <= 0 || !relay_move(&console->output, &entry))
      break;
  }
  relay_close(&console->input);
  relay_close(&console->output);
  if (console->is_raw)
    tcsetattr(0, TCSADRAIN, &console->saved);
}

int oci_attend(pid_t pid, int master, int *wait_status, struct error *error) {
  static struct console console;
  enum { POLL_PID, POLL_SIGNALS, POLL_INPUT, POLL_OUTPUT, POLL_COUNT };
  sigset_t set;
  fill_set(&set);
  cleanup_fd int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  cleanup_fd int pidfd = sys_pidfd_open(pid);
  if (signals < 0 || pidfd < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "signals");
  open_console(&console, master);
  for (;;) {
    struct pollfd entries[POLL_COUNT] = {{.fd = pidfd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    relay_poll(&console.input, &entries[POLL_INPUT]);
    relay_poll(&console.output, &entries[POLL_OUTPUT]);
    if (poll(entries, POLL_COUNT, -1) < 0 && errno != EINTR)
      break;
    if (entries[POLL_SIGNALS].revents)
      forward(signals, pidfd, master);
    relay_move(&console.input, &entries[POLL_INPUT]);
    relay_move(&console.output, &entries[POLL_OUTPUT]);
    if (entries[POLL_PID].revents)
      break;
  }
  pid_t done;
  do
    done = waitpid(pid, wait_status, 0);
  while (done < 0 && errno == EINTR);
  drain(&console);
  return done < 0 ? fail(error, STAGE_SUPERVISOR, errno, "wait") : 0;
}

int oci_send_master(const char *path, int master, struct error *error) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
    return fail(error, STAGE_TERMINAL, ENAMETOOLONG, "%s", path);
  if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
    return fail(error, STAGE_TERMINAL, errno, "%s", path);
  static const char name[] = "/dev/ptmx";
  return fd_message_send(fd, name, sizeof name - 1, master) < 0 ? fail(error, STAGE_TERMINAL, errno, "%s", path) : 0;
}
