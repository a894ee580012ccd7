#include "cgroup_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "io.h"

#define PIDS_FILE_MAX (16u << 20)

int cgroup_write_file(int directory, const char *file, const char *text) {
  cleanup_fd int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);
  return fd < 0 ? -1 : write_all(fd, text, strlen(text));
}

ssize_t cgroup_read_file(int directory, const char *file, char *text, size_t size) {
  cleanup_fd int fd = openat(directory, file, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : read_all(fd, text, size - 1);
  text[got < 0 ? 0 : got] = '\0';
  return got;
}

bool cgroup_find_number(const char *text, const char *key, uint64_t *number) {
  const size_t length = strlen(key);
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, key, length) == 0 && line[length] == ' ')
      return sscanf(line + length + 1, "%" SCNu64, number) == 1;
  }
  return false;
}

bool cgroup_read_number(int directory, const char *file, uint64_t *number) {
  char text[32], *end;
  if (cgroup_read_file(directory, file, text, sizeof text) <= 0 || text[0] < '0' || text[0] > '9')
    return false;
  *number = strtoull(text, &end, 10);
  return *end == '\n' || *end == '\0';
}

static bool is_end(char letter) { return letter == '\0' || letter == ',' || letter == ' ' || letter == '\n'; }

bool cgroup_has_word(const char *list, const char *word) {
  const size_t length = strlen(word);
  for (const char *at = list; (at = strstr(at, word)) != NULL; at += length) {
    if ((at == list || is_end(at[-1])) && is_end(at[length]))
      return true;
  }
  return false;
}

ssize_t cgroup_read_pids(int directory, pid_t **pids) {
  cleanup_fd int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  cleanup_free uint8_t *text = NULL;
  size_t size;
  if (fd < 0 || read_to_end(fd, PIDS_FILE_MAX, &text, &size) < 0)
    return -1;
  /* A number and a newline each. */
  pid_t *list = malloc((size / 2 + 1) * sizeof *list);
  if (list == NULL)
    return -1;
  ssize_t count = 0;
  char *rest = (char *)text;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    const long pid = strtol(line, NULL, 10);
    /* 0 is one outside of this pid namespace. */
    if (pid > 0)
      list[count++] = (pid_t)pid;
  }
  *pids = list;
  return count;
}
