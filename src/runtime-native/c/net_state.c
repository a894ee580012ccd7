#include "net_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "net_config.h"
#include "stage.h"

#define DIRECTORY "/run/tsbuild/network"
#define JOURNAL_MAX 4096

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

enum file { FILE_LOCK, FILE_USERS, FILE_JOURNAL, FILE_DRAFT };
static const char *const suffixes[] = {"lock", "users", "journal", "draft"};

struct file_name {
  char text[40];
};

static struct file_name name_of(const struct net_state *state, enum file file) {
  struct file_name name;
  snprintf(name.text, sizeof name.text, "%s.%s", state->stem, suffixes[file]);
  return name;
}

/* The namespace's cookie (Linux 5.14), which no other gets before the next boot; before that the inode has to do. */
static int identify_namespace(struct net_state *state) {
  uint64_t cookie;
  socklen_t size = sizeof cookie;
  struct stat status;
  cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0)
    snprintf(state->stem, sizeof state->stem, "%" PRIx64, cookie);
  else if (stat("/proc/self/ns/net", &status) == 0)
    snprintf(state->stem, sizeof state->stem, "i%ju", (uintmax_t)status.st_ino);
  else
    return -1;
  return 0;
}

int net_state_open(struct net_state *state, struct error *error) {
  *state = NET_STATE_CLOSED;
  if (identify_namespace(state) < 0)
    return fail(error, STAGE_NETWORK, errno, "the network namespace");
  if ((mkdir("/run/tsbuild", 0755) < 0 && errno != EEXIST) || (mkdir(DIRECTORY, 0700) < 0 && errno != EEXIST))
    return fail(error, STAGE_NETWORK, errno, DIRECTORY);
  state->directory = open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return state->directory < 0 ? fail(error, STAGE_NETWORK, errno, DIRECTORY) : 0;
}

void net_state_close(struct net_state *state) {
  cleanup_fd_at(&state->mutex);
  cleanup_fd_at(&state->users);
  cleanup_fd_at(&state->directory);
}

static bool is_private(const struct net_state *state) { return state->directory < 0; }

bool net_state_is_used(const struct net_state *state) {
  return state->directory >= 0 && faccessat(state->directory, name_of(state, FILE_JOURNAL).text, F_OK, 0) == 0;
}

static int open_file(const struct net_state *state, enum file file, int flags) {
  return openat(state->directory, name_of(state, file).text, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int lock_file(int fd, int operation) {
  int result;
  do
    result = flock(fd, operation);
  while (result < 0 && errno == EINTR);
  return result;
}

int net_state_lock(struct net_state *state, struct error *error) {
  while (!is_private(state)) {
    cleanup_fd int fd = open_file(state, FILE_LOCK, O_RDWR | O_CREAT);
    struct stat status;
    if (fd < 0 || lock_file(fd, LOCK_EX) < 0 || fstat(fd, &status) < 0)
      return fail(error, STAGE_NETWORK, errno, DIRECTORY "/%s", name_of(state, FILE_LOCK).text);
    /* Whoever had the lock may have removed the file: then it protects nothing. */
    if (status.st_nlink == 0)
      continue;
    state->mutex = steal_fd(&fd);
    return 0;
  }
  return 0;
}

void net_state_unlock(struct net_state *state) { cleanup_fd_at(&state->mutex); }

bool net_state_is_alone(struct net_state *state) {
  if (is_private(state))
    return true;
  if (state->users < 0)
    state->users = open_file(state, FILE_USERS, O_RDWR | O_CREAT);
  return state->users >= 0 && lock_file(state->users, LOCK_EX | LOCK_NB) == 0;
}

int net_state_join(struct net_state *state, struct error *error) {
  if (is_private(state))
    return 0;
  if (state->users < 0 || lock_file(state->users, LOCK_SH) < 0)
    return fail(error, STAGE_NETWORK, errno, DIRECTORY "/%s", name_of(state, FILE_USERS).text);
  return 0;
}

static bool read_line(char *line, struct net_journal *journal) {
  char *value = strchr(line, ' ');
  if (value == NULL)
    return false;
  *value++ = '\0';
  if (strcmp(line, "gateway") == 0)
    return subnet_parse(value, &journal->gateway);
  if (strlen(value) >= IF_NAMESIZE)
    return false;
  if (strcmp(line, "bridge") == 0) {
    strcpy(journal->bridge, value);
    return true;
  }
  if (strcmp(line, "forwarding") != 0 || journal->forwarding_count >= FORWARDING_MAX)
    return false;
  strcpy(journal->forwarding[journal->forwarding_count++], value);
  return true;
}

int net_state_read(const struct net_state *state, struct net_journal *journal, struct error *error) {
  const struct file_name name = name_of(state, FILE_JOURNAL);
  cleanup_free char *text = NULL;
  size_t size;
  *journal = (struct net_journal){0};
  if (is_private(state))
    return 0;
  cleanup_fd int fd = open_file(state, FILE_JOURNAL, O_RDONLY);
  if (fd < 0 && errno == ENOENT)
    return 0;
  if (fd < 0 || read_to_end(fd, JOURNAL_MAX, (uint8_t **)&text, &size) < 0)
    return fail(error, STAGE_NETWORK, errno, DIRECTORY "/%s", name.text);
  char *rest = text;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    if (line[0] != '\0' && !read_line(line, journal))
      return fail(error, STAGE_NETWORK, 0, DIRECTORY "/%s has a line that is not understood", name.text);
  }
  if (journal->bridge[0] == '\0' || journal->gateway.prefix == 0)
    return fail(error, STAGE_NETWORK, 0, DIRECTORY "/%s is not whole", name.text);
  return 1;
}

int net_state_write(const struct net_state *state, const struct net_journal *journal, struct error *error) {
  if (is_private(state))
    return 0;
  const struct in_addr address = {htonl(journal->gateway.address)};
  const struct file_name draft = name_of(state, FILE_DRAFT), name = name_of(state, FILE_JOURNAL);
  char written[INET_ADDRSTRLEN], text[JOURNAL_MAX];
  inet_ntop(AF_INET, &address, written, sizeof written);
  int size = snprintf(text, sizeof text, "bridge %s\ngateway %s/%u\n", journal->bridge, written,
                      (unsigned)journal->gateway.prefix);
  for (size_t i = 0; i < journal->forwarding_count; i++)
    size += snprintf(text + size, sizeof text - (size_t)size, "forwarding %s\n", journal->forwarding[i]);
  cleanup_fd int fd = open_file(state, FILE_DRAFT, O_WRONLY | O_CREAT | O_TRUNC);
  if (fd < 0 || write_all(fd, text, (size_t)size) < 0 ||
      renameat(state->directory, draft.text, state->directory, name.text) < 0)
    return fail(error, STAGE_NETWORK, errno, DIRECTORY "/%s", name.text);
  return 0;
}

void net_state_remove(struct net_state *state) {
  if (is_private(state))
    return;
  static const enum file files[] = {FILE_DRAFT, FILE_JOURNAL, FILE_USERS, FILE_LOCK};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    unlinkat(state->directory, name_of(state, files[i]).text, 0);
  cleanup_fd_at(&state->users);
}
