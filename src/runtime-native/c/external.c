#include "external.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "external_log.h"
#include "fd_message.h"
#include "io.h"
#include "report.h"
#include "stage.h"
#include "syscalls.h"

#define LOG_FILE EXTERNAL_BUNDLE "/log"
#define PID_FILE EXTERNAL_BUNDLE "/pid"
#define STATES EXTERNAL_BUNDLE "/state"
#define CONSOLE EXTERNAL_BUNDLE "/console"
#define ARGUMENTS_MAX (SPEC_RUNTIME_FLAGS_MAX + 20)
#define LOG_MAX (1u << 20)

/* The command line of runc, which these runtimes share. */
struct arguments {
  const char *items[ARGUMENTS_MAX];
  size_t count;
};

static void add(struct arguments *arguments, const char *const *words) {
  for (; *words != NULL; words++)
    arguments->items[arguments->count++] = *words;
}

static _Noreturn void become(const struct arguments *arguments, const struct init *init, bool is_quiet) {
  static char *const environment[] = {
      (char *)(uintptr_t) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  sigset_t none;
  sigemptyset(&none);
  for (int number = 1; number < NSIG; number++) {
    if (number != SIGKILL && number != SIGSTOP)
      signal(number, SIG_DFL);
  }
  sigprocmask(SIG_SETMASK, &none, NULL);
  umask(0022);
  cleanup_fd int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) {
    const int own = is_quiet || init->spec->terminal ? nothing : init->stdio[fd];
    if (dup2(own, fd) < 0)
      _exit(127);
  }
  sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  execve(arguments->items[0], (char *const *)(const void *)arguments->items, environment);
  _exit(127);
}

/* Runs one command of the runtime to its end. The container's own process, which it leaves behind, is reaped later. */
static int call(const struct init *init, const char *const *words, bool is_quiet, struct error *error) {
  struct arguments arguments = {.count = 0};
  const struct external_runtime *runtime = &init->spec->runtime;
  add(&arguments, (const char *const[]){runtime->path, "--root", STATES, "--log", LOG_FILE, "--log-format", "json", NULL});
  if (runtime->flags.count > 0)
    add(&arguments, runtime->flags.items);
  add(&arguments, words);
  arguments.items[arguments.count] = NULL;
  pid_t pid = fork();
  if (pid == 0)
    become(&arguments, init, is_quiet);
  if (pid < 0)
    return fail(error, STAGE_RUNTIME, errno, "%s", runtime->path);
  int status;
  pid_t done;
  do
    done = waitpid(pid, &status, 0);
  while (done < 0 && errno == EINTR);
  if (done == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return 0;
  cleanup_free uint8_t *log = NULL;
  size_t size = 0;
  cleanup_fd int fd = open(LOG_FILE, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read_to_end(fd, LOG_MAX, &log, &size) < 0)
    size = 0;
  return external_log_error((char *)log, size, init->spec->args.items[0], words[0], error);
}

static int listen_console(struct error *error) {
  const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CONSOLE};
  cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0)
    return fail(error, STAGE_TERMINAL, errno, CONSOLE);
  return steal_fd(&fd);
}

/* The runtime has sent it by now; whoever else could connect is in this namespace, where nobody is. */
static int pass_terminal(int console, int socket, struct error *error) {
  char data[256];
  cleanup_fd int from = accept4(console, NULL, NULL, SOCK_CLOEXEC);
  cleanup_fd int master = -1;
  if (from < 0 || fd_message_receive(from, data, sizeof data, 0, &master) < 0)
    return fail(error, STAGE_TERMINAL, errno, "console socket");
  if (master < 0)
    return fail(error, STAGE_TERMINAL, EPROTO, "console socket");
  return report_terminal(socket, master) < 0 ? fail(error, STAGE_TERMINAL, errno, "master") : 0;
}

/* The pipes belong to the container's user, so that /dev/stdout can be opened again. */
static int own_stdio(const struct init *init, const struct identity *identity, struct error *error) {
  for (int fd = 0; fd < 3 && !init->spec->terminal; fd++) {
    if (fchown(init->stdio[fd], identity->uid, (gid_t)-1) < 0 && errno != EINVAL)
      return fail(error, STAGE_IDENTITY, errno, "stdio");
  }
  return 0;
}

static int read_pid(pid_t *pid, struct error *error) {
  char text[16] = "";
  cleanup_fd int fd = open(PID_FILE, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read_all(fd, text, sizeof text - 1) <= 0 || (*pid = (pid_t)strtol(text, NULL, 10)) <= 1)
    return fail(error, STAGE_RUNTIME, 0, "it wrote no pid file");
  return 0;
}

static int create(const struct init *init, pid_t *pid, struct error *error) {
  const struct container_spec *spec = init->spec;
  cleanup_fd int console = -1;
  if (spec->terminal && (console = listen_console(error)) < 0)
    return -1;
  const char *const plain[] = {"create", "--bundle", EXTERNAL_BUNDLE, "--pid-file", PID_FILE, spec->id, NULL};
  const char *const with_console[] = {"create",   "--bundle", EXTERNAL_BUNDLE,    "--pid-file",
                                      PID_FILE, "--console-socket", CONSOLE, spec->id, NULL};
  if (call(init, spec->terminal ? with_console : plain, false, error) < 0)
    return -1;
  if (spec->terminal && pass_terminal(console, init->socket, error) < 0)
    return -1;
  return read_pid(pid, error);
}

/* Passes signals on until the process has ended, and reaps what its namespace leaves here; returns its wait status. */
static int attend(pid_t pid, const sigset_t *all) {
  for (;;) {
    siginfo_t info;
    const int number = sigwaitinfo(all, &info);
    if (number > 0 && number != SIGCHLD)
      kill(pid, number);
    int status;
    for (pid_t done; number == SIGCHLD && (done = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (done == pid)
        return status;
    }
  }
}

int external_run(const struct init *init, struct error *error) {
  static struct external_bundle bundle;
  sigset_t all;
  char go;
  /* As the first of its namespace it ends all others with it, also when the one that watches it is killed. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
    return fail(error, STAGE_ISOLATION, errno, "parent death signal");
  if (read_all(init->socket, &go, 1) != 1)
    _exit(1);
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  pid_t pid = 0;
  if (external_bundle_make(&bundle, init, error) < 0 || external_config_write(&bundle, error) < 0 ||
      own_stdio(init, &bundle.identity, error) < 0 || create(init, &pid, error) < 0)
    return -1;
  const char *const start[] = {"start", init->spec->id, NULL};
  if (call(init, start, true, error) < 0)
    return -1;
  if (report_ready(init->socket) < 0)
    return fail(error, STAGE_EXEC, errno, "report");
  /* Its end says that the command runs, and only the command keeps the output open. */
  close(init->socket);
  for (int fd = 0; fd < 3; fd++) {
    if (init->stdio[fd] >= 0)
      close(init->stdio[fd]);
  }
  const int status = attend(pid, &all);
  /* It may have more to take back than what ends with the namespaces. */
  const char *const delete[] = {"delete", "--force", init->spec->id, NULL};
  (void)call(init, delete, true, error);
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}
