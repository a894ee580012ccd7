/*
 * Attempts on terminals, each after a line with its name. What they come to are lines `TERMINAL OUTCOME`, or nothing where the thing is not
 * there at all.
 *
 *   type     types `!` into every terminal that it finds
 *   take     makes every terminal that it finds the one of a session of its own, by force too
 *   masters  looks for the master of a terminal among the descriptors of all processes
 *   own      the same, with a terminal made before
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TERMINALS = 64 };

static void tell(const char *name, long result) {
  printf("%s %s\n", name, result < 0 ? strerrorname_np(errno) : "granted");
}

static void type_into(const char *name, int fd) {
  tell(name, ioctl(fd, TIOCSTI, "!"));
  /* Selects, and pastes what is selected: TIOCL_PASTESEL. */
  tell(name, ioctl(fd, TIOCLINUX, "\3"));
}

static void take(const char *name, int fd) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    tell(name, ioctl(fd, TIOCSCTTY, 0));
    tell(name, ioctl(fd, TIOCSCTTY, 1));
    fflush(stdout);
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

static void for_path(const char *path, void (*attempt)(const char *, int)) {
  int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) {
    if (errno != ENOENT)
      tell(path, -1);
    return;
  }
  attempt(path, fd);
  close(fd);
}

static void for_all(void (*attempt)(const char *, int)) {
  char path[64];
  for (int fd = 0; fd < 3; fd++) {
    snprintf(path, sizeof path, "%d", fd);
    attempt(path, fd);
  }
  for_path("/dev/tty", attempt);
  for_path("/dev/console", attempt);
  for (int number = 0; number < TERMINALS; number++) {
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    for_path(path, attempt);
    /* Nodes of the same terminals, and of those that are not in this devpts. */
    snprintf(path, sizeof path, "/tmp/terminal-%d", number);
    if (mknod(path, S_IFCHR | 0600, makedev(136, (unsigned)number)) == 0)
      for_path(path, attempt);
  }
}

static void find_masters(void) {
  for (int process = 0; process < TERMINALS; process++) {
    for (int fd = 0; fd < 256; fd++) {
      char path[64], target[64];
      if (process == 0)
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
      else
        snprintf(path, sizeof path, "/proc/%d/fd/%d", process, fd);
      ssize_t size = readlink(path, target, sizeof target - 1);
      target[size < 0 ? 0 : size] = '\0';
      if (strstr(target, "ptmx") != NULL)
        printf("%s %s\n", path, target);
      unsigned number;
      if (process == 0 && ioctl(fd, TIOCGPTN, &number) == 0)
        printf("%s is the master of %u\n", path, number);
    }
  }
}

int main(int argc, char **argv) {
  const bool only_types = argc == 2 && strcmp(argv[1], "type") == 0;
  puts("type");
  for_all(type_into);
  if (only_types)
    return 0;
  puts("take");
  for_all(take);
  puts("masters");
  find_masters();
  puts("own");
  if (posix_openpt(O_RDWR | O_NOCTTY) < 0)
    return 1;
  find_masters();
  return 0;
}
