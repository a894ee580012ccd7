#include "reaper.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stage.h"
#include "syscalls.h"

/* Reaps what has ended; ends itself once the command has, and the kernel then ends the rest of the container. */
static void reap(pid_t command) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) != 0;) {
    if (pid < 0 && errno == EINTR)
      continue;
    if (pid < 0)
      return;
    if (pid == command)
      _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  }
}

static _Noreturn void serve(pid_t command, const sigset_t *all) {
  /* It is no program of the image: nobody there may look into it, and it keeps no pipe of the container open. */
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  sys_close_range(0, ~0U, 0);
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(all, &info);
    if (number == SIGCHLD)
      reap(command);
    else if (number > 0)
      kill(command, number);
  }
}

int reaper_start(int socket, bool terminal, struct error *error) {
  sigset_t all, before;
  sigfillset(&all);
  /* From before the fork on, so that no signal is lost, and none stops the change of the foreground. */
  if (sigprocmask(SIG_BLOCK, &all, &before) < 0)
    return fail(error, STAGE_EXEC, errno, "signal mask");
  pid_t command = fork();
  if (command < 0)
    return fail(error, STAGE_EXEC, errno, "fork");
  if (command > 0) {
    close(socket);
    serve(command, &all);
  }
  if (terminal && (setpgid(0, 0) < 0 || tcsetpgrp(0, getpid()) < 0))
    return fail(error, STAGE_TERMINAL, errno, "foreground");
  sigprocmask(SIG_SETMASK, &before, NULL);
  return 0;
}
