#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "net_uplink.h"
#include "stage.h"
#include "syscalls.h"

#define START_TIMEOUT_MS 20000
#define READY_FD 3
/* Name of the interface in the namespace. */
#define INTERFACE "uplink"

/* Where the programs are looked for: the environment is not the user's. */
static const char *const directories[] = {"/usr/local/bin", "/usr/bin", "/bin", "/run/current-system/sw/bin"};

struct words {
  char target[32];
  char own[INET_ADDRSTRLEN];
  char gateway[INET_ADDRSTRLEN];
  char range[INET_ADDRSTRLEN + 4];
};

struct program {
  const char *name;
  /* Of Debian, and most others. */
  const char *package;
  void (*execute)(const char *path, const struct words *words);
};

/*
 * It goes to the background when it is ready. Nothing is let in, and neither way to the host's loopback is open: its gateway
 * leads there by default, and so would ports of the namespace's own loopback.
 */
static void execute_pasta(const char *path, const struct words *words) {
  execl(path, "pasta", "--quiet", "--config-net", "--ipv4-only", "--address", words->own, "--netmask", "24", "--gateway",
        words->gateway, "--no-map-gw", "--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none",
        "--ns-ifname", INTERFACE, "--no-netns-quit", "--netns", words->target, (char *)NULL);
}

/* Writes a byte when it is ready. The same, but that it has no ports of its own. */
static void execute_slirp(const char *path, const struct words *words) {
  execl(path, "slirp4netns", "--configure", "--mtu=65520", "--cidr", words->range, "--disable-host-loopback",
        "--disable-dns", "--enable-sandbox", "--enable-seccomp", "--ready-fd=3", "--netns-type=path", words->target,
        INTERFACE, (char *)NULL);
}

static const struct program programs[] = {{"pasta", "passt", execute_pasta},
                                          {"slirp4netns", "slirp4netns", execute_slirp}};
#define PROGRAM_COUNT (sizeof programs / sizeof programs[0])

static void write_address(char out[INET_ADDRSTRLEN], uint32_t address) {
  const struct in_addr wire = {htonl(address)};
  inet_ntop(AF_INET, &wire, out, INET_ADDRSTRLEN);
}

static struct words words_of(const struct uplink_request *request) {
  struct words words;
  char base[INET_ADDRSTRLEN];
  snprintf(words.target, sizeof words.target, "/proc/%d/ns/net", (int)request->target);
  write_address(base, request->range.address);
  write_address(words.own, request->range.address + 100);
  write_address(words.gateway, request->range.address + 2);
  snprintf(words.range, sizeof words.range, "%s/24", base);
  return words;
}

static bool find(const char *name, char *path, size_t size) {
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
    if (snprintf(path, size, "%s/%s", directories[i], name) < (int)size && access(path, X_OK) == 0)
      return true;
  }
  return false;
}

/* What the program said last. */
static void last_line(int fd, char *out, size_t size) {
  char text[4096];
  size_t used = 0;
  ssize_t got;
  while (used < sizeof text - 1 && (got = read(fd, text + used, sizeof text - 1 - used)) > 0)
    used += (size_t)got;
  while (used > 0 && text[used - 1] == '\n')
    used--;
  text[used] = '\0';
  const char *line = strrchr(text, '\n');
  snprintf(out, size, "%.*s", (int)size - 1, line == NULL ? text : line + 1);
}

static bool is_ready_in_time(int fd) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  int result;
  do
    result = poll(&entry, 1, START_TIMEOUT_MS);
  while (result < 0 && errno == EINTR);
  return result > 0;
}

/* True with the ready program running; else `why` has the reason. */
static bool await(pid_t pid, int ready, int errors, char *why, size_t size) {
  char byte;
  int status = 0;
  cleanup_fd int process = sys_pidfd_open(pid);
  if (is_ready_in_time(ready) && read(ready, &byte, 1) == 1)
    return true;
  if (process < 0 || !is_ready_in_time(process)) {
    kill(pid, SIGKILL);
    snprintf(why, size, "was not ready in time");
    waitpid(pid, &status, 0);
    return false;
  }
  if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return true;
  last_line(errors, why, size);
  return false;
}

/* As after a login: pasta takes an ignored SIGPIPE for a failure. */
static void reset_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int number = 1; number < NSIG; number++)
    signal(number, SIG_DFL);
}

/* *errors becomes what the running program writes its errors to. */
static bool start(const struct program *program, const struct words *words, int *errors, char *why, size_t size) {
  char path[256];
  int ready[2], output[2];
  if (!find(program->name, path, sizeof path)) {
    snprintf(why, size, "not installed (package %s)", program->package);
    return false;
  }
  if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC | O_NONBLOCK) < 0) {
    snprintf(why, size, "%s", strerror(errno));
    return false;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    /* pasta would keep the other descriptor, whose end tells that it writes no byte. */
    const bool writes_byte = program->execute == execute_slirp;
    reset_signals();
    if (dup2(output[1], STDERR_FILENO) < 0 || (writes_byte && dup2(ready[1], READY_FD) < 0))
      _exit(1);
    program->execute(path, words);
    fprintf(stderr, "%s", strerror(errno));
    _exit(1);
  }
  close(ready[1]);
  close(output[1]);
  const bool is_started = pid > 0 && await(pid, ready[0], output[0], why, size);
  close(ready[0]);
  if (is_started)
    *errors = output[0];
  else
    close(output[0]);
  return is_started;
}

/* So that pipes get other numbers, and programs nothing of the caller's. */
static int take_over(int socket) {
  int own = fcntl(socket, F_DUPFD_CLOEXEC, READY_FD + 1);
  if (own < 0 || sys_close_range(0, READY_FD, 0) < 0 || (READY_FD + 1 < own && sys_close_range(READY_FD + 1, (unsigned)own - 1, 0) < 0) ||
      sys_close_range((unsigned)own + 1, ~0U, 0) < 0)
    return -1;
  for (int fd = 0; fd <= READY_FD; fd++) {
    if (open("/dev/null", O_RDWR | (fd == READY_FD ? O_CLOEXEC : 0)) != fd)
      return -1;
  }
  return own;
}

/* Until nobody needs the namespace any more. */
static void serve(int socket, int errors) {
  for (;;) {
    struct pollfd entries[] = {{.fd = socket}, {.fd = errors, .events = POLLIN}};
    char text[512];
    if (poll(entries, 2, -1) < 0 && errno != EINTR)
      return;
    if (entries[0].revents)
      return;
    if (entries[1].revents && read(errors, text, sizeof text) <= 0)
      cleanup_fd_at(&errors);
  }
}

void net_uplink_run(int socket) {
  static struct error answer;
  struct uplink_request request;
  char why[PROGRAM_COUNT][256];
  int errors = -1;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || (socket = take_over(socket)) < 0 ||
      recv(socket, &request, sizeof request, 0) != (ssize_t)sizeof request)
    _exit(0);
  const struct words words = words_of(&request);
  bool is_started = false;
  for (size_t i = 0; i < PROGRAM_COUNT && !is_started; i++)
    is_started = start(&programs[i], &words, &errors, why[i], sizeof why[i]);
  if (!is_started)
    fail(&answer, STAGE_NETWORK, 0, "%s: %s; %s: %s", programs[0].name, why[0], programs[1].name, why[1]);
  if (send(socket, &answer, sizeof answer, MSG_NOSIGNAL) == (ssize_t)sizeof answer && is_started)
    serve(socket, errors);
  _exit(0);
}
