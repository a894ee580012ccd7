#include "open_files.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"

#define ANCESTORS_MAX 32

static bool read_text(pid_t pid, const char *file, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : read_all(fd, text, size - 1);
  if (got <= 0)
    return false;
  text[got] = '\0';
  return true;
}

static pid_t parent_of(pid_t pid) {
  char text[1024];
  if (!read_text(pid, "stat", text, sizeof text))
    return 0;
  /* The name before it may hold anything, parentheses too. */
  const char *end = strrchr(text, ')');
  int parent;
  return end != NULL && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static uint64_t parse_limit(const char *text) {
  return strncmp(text, "unlimited", 9) == 0 ? RLIM_INFINITY : strtoull(text, NULL, 10);
}

static bool limits_of(pid_t pid, struct rlimit *limit) {
  char text[4096], soft[32], hard[32];
  if (!read_text(pid, "limits", text, sizeof text))
    return false;
  const char *line = strstr(text, "Max open files");
  if (line == NULL || sscanf(line + strlen("Max open files"), " %31s %31s", soft, hard) != 2)
    return false;
  limit->rlim_cur = parse_limit(soft);
  limit->rlim_max = parse_limit(hard);
  return true;
}

uint64_t open_files_original(void) {
  struct rlimit own;
  if (getrlimit(RLIMIT_NOFILE, &own) < 0)
    return RLIM_INFINITY;
  if (own.rlim_cur < own.rlim_max)
    return own.rlim_cur;
  pid_t pid = getppid();
  for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++, pid = parent_of(pid)) {
    struct rlimit limit;
    if (!limits_of(pid, &limit) || limit.rlim_max != own.rlim_max)
      break;
    if (limit.rlim_cur < limit.rlim_max)
      return limit.rlim_cur;
  }
  return own.rlim_cur;
}
