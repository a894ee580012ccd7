#include "map_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "subids.h"

/* Room for `PROGRAM PID`, three words for each line of the map, and the NULL. */
#define ARGUMENTS_MAX (2 + 3 * (SUBIDS_MAX + 1) + 1)
#define EXIT_MISSING 127

enum outcome {
  /* The user has been given no further ids. */
  OUTCOME_NONE,
  OUTCOME_MAPPED,
  /* There are some, but not the program that maps them. */
  OUTCOME_MISSING,
  /* It has told why itself. */
  OUTCOME_FAILED,
};

/* What the mapper tells: an outcome for each kind of id. */
struct mapped {
  uint8_t uids;
  uint8_t gids;
};

static void find_name(uid_t uid, char *name, size_t size) {
  FILE *passwd = fopen("/etc/passwd", "re");
  /* A directory's user is not in the file; the programs check what they are told. */
  const char *given = getenv("USER");
  if ((passwd == NULL || !subids_name(passwd, uid, name, size)) && given != NULL && strlen(given) < size)
    strcpy(name, given);
  if (passwd != NULL)
    fclose(passwd);
}

static enum outcome run(char *const *arguments) {
  pid_t pid = fork();
  if (pid == 0) {
    execvp(arguments[0], arguments);
    _exit(errno == ENOENT ? EXIT_MISSING : 126);
  }
  int status = -1;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (pid < 0 || !WIFEXITED(status))
    return OUTCOME_FAILED;
  return WEXITSTATUS(status) == 0 ? OUTCOME_MAPPED
                                  : WEXITSTATUS(status) == EXIT_MISSING ? OUTCOME_MISSING : OUTCOME_FAILED;
}

/* newuidmap PID 0 UID 1, then each range from the next free id on. */
static enum outcome map_with(const char *program, const char *path, pid_t target, uid_t uid, unsigned own) {
  char name[256] = "";
  static struct subid_range ranges[SUBIDS_MAX];
  static char words[ARGUMENTS_MAX][16];
  char *arguments[ARGUMENTS_MAX];
  find_name(uid, name, sizeof name);
  FILE *file = fopen(path, "re");
  size_t count = file == NULL ? 0 : subids_read(file, uid, name, ranges);
  if (file != NULL)
    fclose(file);
  if (count == 0)
    return OUTCOME_NONE;
  size_t used = 0;
  snprintf(words[used++], sizeof words[0], "%s", program);
  snprintf(words[used++], sizeof words[0], "%d", (int)target);
  unsigned long next = 0;
  for (size_t i = 0; i <= count; i++) {
    const struct subid_range range = i == 0 ? (struct subid_range){own, 1} : ranges[i - 1];
    snprintf(words[used++], sizeof words[0], "%lu", next);
    snprintf(words[used++], sizeof words[0], "%lu", range.start);
    snprintf(words[used++], sizeof words[0], "%lu", range.count);
    next += range.count;
  }
  for (size_t i = 0; i < used; i++)
    arguments[i] = words[i];
  arguments[used] = NULL;
  return run(arguments);
}

int map_ids_prepare(struct id_mapper *mapper, uid_t uid) {
  int ends[2];
  const pid_t target = getpid();
  const gid_t gid = getegid();
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    return -1;
  mapper->pid = fork();
  if (mapper->pid == 0) {
    close(ends[0]);
    char go;
    /* The end means that there is no namespace. */
    if (recv(ends[1], &go, 1, 0) != 1)
      _exit(0);
    struct mapped mapped = {.uids = (uint8_t)map_with("newuidmap", "/etc/subuid", target, uid, uid),
                            .gids = (uint8_t)map_with("newgidmap", "/etc/subgid", target, uid, gid)};
    (void)!send(ends[1], &mapped, sizeof mapped, MSG_NOSIGNAL);
    _exit(0);
  }
  int code = errno;
  close(ends[1]);
  mapper->socket = ends[0];
  if (mapper->pid < 0)
    close(ends[0]);
  errno = code;
  return mapper->pid < 0 ? -1 : 0;
}

static int write_file(const char *path, const char *text) {
  cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
  return fd < 0 ? -1 : write_all(fd, text, strlen(text));
}

static int map_own(const char *path, unsigned own) {
  char line[32];
  snprintf(line, sizeof line, "0 %u 1\n", own);
  return write_file(path, line);
}

static void warn(uint8_t outcome, const char *program, const char *path) {
  if (outcome == OUTCOME_MISSING)
    fprintf(stderr, "WARNING: Files cannot have the ids of %s: %s is not installed (package uidmap)\n", path, program);
  else if (outcome == OUTCOME_FAILED)
    fprintf(stderr, "WARNING: Files cannot have the ids of %s: %s failed\n", path, program);
}

int map_ids(struct id_mapper *mapper, uid_t uid, gid_t gid) {
  struct mapped mapped = {.uids = OUTCOME_FAILED, .gids = OUTCOME_FAILED};
  if (send(mapper->socket, "", 1, MSG_NOSIGNAL) == 1)
    (void)!recv(mapper->socket, &mapped, sizeof mapped, 0);
  close(mapper->socket);
  while (waitpid(mapper->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  warn(mapped.uids, "newuidmap", "/etc/subuid");
  warn(mapped.gids, "newgidmap", "/etc/subgid");
  if (mapped.uids != OUTCOME_MAPPED && map_own("/proc/self/uid_map", uid) < 0)
    return -1;
  if (mapped.gids == OUTCOME_MAPPED)
    return 0;
  /* First: who maps a group without privileges must not be able to leave groups that deny something (CVE-2014-8989). */
  if (write_file("/proc/self/setgroups", "deny") < 0 && errno != ENOENT)
    return -1;
  return map_own("/proc/self/gid_map", gid);
}
