/*
 * `program` carries out every attempt and prints `name<TAB>granted`, `name<TAB>ERRNO` or `name<TAB>signal N` for each. Each runs in
 * a process of its own, as some change the process; with the argument `isolate` in a mount namespace of its own too, for a container
 * where they are granted.
 */
#include "probe.h"

#include <stdbool.h>
#include <sys/mount.h>
#include <sys/wait.h>

static const struct attempt *const tables[] = {mount_attempts,  namespace_attempts, process_attempts,   kernel_attempts,
                                               device_attempts, file_attempts,      capability_attempts};

static bool isolate;

static void carry_out(const struct attempt *attempt) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    /* Not waiting for a peer is no refusal: what hangs is ended, and seen as a signal. */
    alarm(10);
    if (isolate && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
      _exit(1);
    errno = 0;
    long result = attempt->try_it();
    const char *name = result >= 0 ? "granted" : strerrorname_np(errno);
    printf("%s\t%s\n", attempt->name, name == NULL ? "unknown" : name);
    fflush(stdout);
    _exit(0);
  }
  int status;
  if (pid < 0 || waitpid(pid, &status, 0) < 0)
    printf("%s\tnot started\n", attempt->name);
  else if (WIFSIGNALED(status))
    printf("%s\tsignal %d\n", attempt->name, WTERMSIG(status));
}

int main(int argc, char **argv) {
  isolate = argc == 2 && strcmp(argv[1], "isolate") == 0;
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    for (const struct attempt *attempt = tables[i]; attempt->name != NULL; attempt++)
      carry_out(attempt);
  }
  return 0;
}
