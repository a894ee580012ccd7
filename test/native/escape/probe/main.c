/*
 * `program` carries out every attempt and prints `name<TAB>granted`, `name<TAB>ERRNO` or `name<TAB>signal N` for each. Each runs in
 * a process of its own, as some change the process.
 *
 *   isolate      each in a mount namespace of its own too, for a container where they are granted
 *   outside=PID  the process that is outside
 *   on=TABLE     only one table: those on the process outside, or on the first process of a container with an init
 *   wait         be the process outside: prints its number and waits to be killed
 */
#include "probe.h"

#include <stdbool.h>
#include <sys/mount.h>
#include <sys/wait.h>

static const struct attempt *const tables[] = {mount_attempts,  namespace_attempts, process_attempts,
                                               outside_attempts, network_attempts,  kernel_attempts,
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

static void carry_out_all(const struct attempt *table) {
  for (; table->name != NULL; table++)
    carry_out(table);
}

int main(int argc, char **argv) {
  const struct attempt *only = NULL;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "wait") == 0) {
      printf("%d\n", getpid());
      fflush(stdout);
      pause();
    } else if (strcmp(argv[i], "isolate") == 0) {
      isolate = true;
    } else if (strcmp(argv[i], "on=outside") == 0) {
      only = outside_attempts;
    } else if (strcmp(argv[i], "on=first") == 0) {
      only = first_attempts;
    } else if (sscanf(argv[i], "outside=%d", &outside) != 1) {
      return 2;
    }
  }
  if (only != NULL) {
    carry_out_all(only);
    return 0;
  }
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
    carry_out_all(tables[i]);
  return 0;
}
