#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "cleanup.h"
#include "io.h"
#include "stage.h"
#include "syscalls.h"

/* The state as a file: a pipe would have to be fed while the hook runs, or not. */
static int open_state(const char *state) {
  cleanup_fd int fd = memfd_create("state", MFD_CLOEXEC);
  if (fd < 0 || write_all(fd, state, strlen(state)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
    return -1;
  return steal_fd(&fd);
}

_Noreturn static void become(const struct hook *hook, int input) {
  char *none[] = {NULL};
  char *only_path[] = {(char *)(uintptr_t)hook->path, NULL};
  sigset_t empty;
  sigemptyset(&empty);
  sigprocmask(SIG_SETMASK, &empty, NULL);
  signal(SIGPIPE, SIG_DFL);
  /* In a process group of its own, so that a hook that takes too long goes with what it started. */
  if (dup2(input, 0) < 0 || setpgid(0, 0) < 0 || sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
    _exit(127);
  execve(hook->path, hook->args.count > 0 ? (char *const *)(const void *)hook->args.items : only_path,
         hook->env.count > 0 ? (char *const *)(const void *)hook->env.items : none);
  _exit(127);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* False when the time was up first. */
static bool wait_for(int pidfd, unsigned timeout_seconds) {
  const int64_t end = now() + (int64_t)timeout_seconds * 1000;
  for (;;) {
    struct pollfd entry = {.fd = pidfd, .events = POLLIN};
    int64_t left = timeout_seconds == 0 ? -1 : end - now();
    if (timeout_seconds != 0 && left <= 0)
      return false;
    int ready = poll(&entry, 1, left > INT32_MAX ? INT32_MAX : (int)left);
    if (ready > 0)
      return true;
    if (ready < 0 && errno != EINTR)
      return true;
  }
}

static int run(const struct hook *hook, const char *state, struct error *error) {
  cleanup_fd int input = open_state(state);
  if (input < 0)
    return fail(error, STAGE_HOOK, errno, "%s", hook->path);
  /* Not clone3: those of HOOK_START_CONTAINER run under the container's filter. */
  pid_t pid = fork();
  if (pid == 0)
    become(hook, input);
  cleanup_fd int pidfd = pid < 0 ? -1 : sys_pidfd_open(pid);
  if (pidfd < 0)
    return fail(error, STAGE_HOOK, errno, "%s", hook->path);
  const bool in_time = wait_for(pidfd, hook->timeout_seconds);
  if (!in_time) {
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
  }
  int status;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR)
      return fail(error, STAGE_HOOK, errno, "%s", hook->path);
  }
  if (!in_time)
    return fail(error, STAGE_HOOK, ETIMEDOUT, "%s", hook->path);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return 0;
  return WIFEXITED(status) ? fail(error, STAGE_HOOK, 0, "%s: exit code %d", hook->path, WEXITSTATUS(status))
                           : fail(error, STAGE_HOOK, 0, "%s: signal %d", hook->path, WTERMSIG(status));
}

int hooks_run(const struct hook_list *hooks, const char *state, struct error *error) {
  for (size_t i = 0; i < hooks->count; i++) {
    if (run(&hooks->items[i], state, error) < 0)
      return -1;
  }
  return 0;
}

bool hooks_any(const struct container_spec *spec, enum hook_kind first, enum hook_kind last) {
  for (enum hook_kind kind = first; kind <= last; kind++) {
    if (spec->hooks[kind].count > 0)
      return true;
  }
  return false;
}
