/* start ROUNDS BUNDLE CHROOT TSBUILD_RUNTIME: for bench/start.sh. Prints the least and the median wall time of each program. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct program {
  const char *name;
  int in_chroot;
  char *argv[9];
  double *times;
  int count;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b) {
  const double difference = *(const double *)a - *(const double *)b;
  return difference < 0 ? -1 : difference > 0;
}

/* Milliseconds, or -1 when it failed. */
static double run(const struct program *program, const char *root) {
  const double start = now();
  pid_t pid = fork();
  if (pid == 0) {
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    if (program->in_chroot && (chroot(root) < 0 || chdir("/") < 0))
      _exit(126);
    execvp(program->argv[0], program->argv);
    _exit(127);
  }
  int status;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? now() - start : -1;
}

int main(int argc, char **argv) {
  if (argc != 5)
    return 2;
  const int rounds = atoi(argv[1]);
  char *bundle = argv[2], *inner = strcmp(argv[3], "/") == 0 ? argv[2] : "/mnt/bundle";
  struct program programs[] = {
      {"busybox true", 0, {"busybox", "true"}, NULL, 0},
      {"tsbuild-runtime", 0, {argv[4], "oci", "--root", "/run/bench-tsbuild", "run", "-b", bundle, "bench-tsbuild"}, NULL, 0},
      {"crun", 1, {"crun", "--root", "/run/bench-crun", "run", "-b", inner, "bench-crun"}, NULL, 0},
      {"runc", 1, {"runc", "--root", "/run/bench-runc", "run", "-b", inner, "bench-runc"}, NULL, 0},
      {"bwrap", 0, {"bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"}, NULL, 0},
  };
  const int count = sizeof programs / sizeof programs[0];
  for (int i = 0; i < count; i++)
    programs[i].times = malloc((size_t)rounds * sizeof(double));
  /* The first two rounds only fill caches. */
  for (int round = -2; round < rounds; round++) {
    for (int i = 0; i < count; i++) {
      struct program *program = &programs[(i + round + count) % count];
      const double time = run(program, argv[3]);
      if (round >= 0 && time >= 0)
        program->times[program->count++] = time;
    }
  }
  for (int i = 0; i < count; i++) {
    struct program *program = &programs[i];
    qsort(program->times, (size_t)program->count, sizeof(double), compare);
    if (program->count == 0)
      printf("%-16s did not run\n", program->name);
    else
      printf("%-16s min %7.2f ms  median %7.2f ms  (%d)\n", program->name, program->times[0],
             program->times[program->count / 2], program->count);
  }
  return 0;
}
