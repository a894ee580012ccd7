#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_from(struct relay *relay) {
  if (relay->from >= 0)
    close(relay->from);
  relay->from = -1;
}

static void forget_rest(struct relay *relay) {
  free(relay->buffer);
  relay->buffer = NULL;
  relay->start = relay->end = 0;
}

static void close_to(struct relay *relay) {
  if (relay->to >= 0 && relay->closes)
    close(relay->to);
  relay->to = -1;
  forget_rest(relay);
}

void relay_init(struct relay *relay) { *relay = (struct relay){.from = -1, .to = -1}; }

void relay_open_to(struct relay *relay, int from, void (*take)(void *context, const void *data, size_t size),
                   void *context) {
  relay_init(relay);
  relay->from = from;
  relay->take = take;
  relay->context = context;
}

void relay_open(struct relay *relay, int from, int to, bool to_is_shared, bool closes) {
  struct stat status;
  relay_init(relay);
  relay->from = from;
  relay->to = to;
  relay->closes = closes;
  relay->is_shared = to_is_shared;
  relay->is_socket = fstat(to, &status) == 0 && S_ISSOCK(status.st_mode);
  if (!to_is_shared && !relay->is_socket)
    fcntl(to, F_SETFL, fcntl(to, F_GETFL) | O_NONBLOCK);
}

bool relay_is_full(const struct relay *relay) { return relay->end > relay->start; }

bool relay_is_done(const struct relay *relay) { return relay->from < 0 && !relay_is_full(relay); }

void relay_poll(const struct relay *relay, struct pollfd *entry) {
  entry->revents = 0;
  if (relay_is_full(relay)) {
    entry->fd = relay->to;
    entry->events = POLLOUT;
  } else {
    entry->fd = relay->from;
    entry->events = POLLIN;
  }
}

/* As much of `data` as the reader takes now; -1 when it has gone. */
static ssize_t write_some(struct relay *relay, const char *data, size_t size) {
  /* As much as poll promises to take without waiting. */
  if (relay->is_shared && size > PIPE_BUF)
    size = PIPE_BUF;
  ssize_t written =
      relay->is_socket ? send(relay->to, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) : write(relay->to, data, size);
  if (written >= 0)
    return written;
  if (errno == EINTR || errno == EAGAIN)
    return 0;
  /* The writer shall notice. */
  close_from(relay);
  close_to(relay);
  return -1;
}

static void write_rest(struct relay *relay) {
  ssize_t written = write_some(relay, relay->buffer + relay->start, relay->end - relay->start);
  if (written < 0)
    return;
  relay->start += (size_t)written;
  if (!relay_is_full(relay))
    forget_rest(relay);
}

/* Poll has not said whether the reader waits, so what was read is kept until it does. */
static void keep(struct relay *relay, const char *data, size_t size) {
  relay->buffer = malloc(size);
  if (relay->buffer == NULL) {
    close_from(relay);
    close_to(relay);
    return;
  }
  memcpy(relay->buffer, data, size);
  relay->start = 0;
  relay->end = size;
}

static void read_some(struct relay *relay) {
  /* Shared: nothing stays in it. */
  static char buffer[65536];
  ssize_t got = read(relay->from, buffer, sizeof buffer);
  if (got > 0 && relay->take != NULL) {
    relay->take(relay->context, buffer, (size_t)got);
  } else if (got > 0) {
    keep(relay, buffer, (size_t)got);
  } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
    /* A terminal answers EIO when its last user has gone. */
    close_from(relay);
    if (relay->closes)
      close_to(relay);
  }
}

bool relay_move(struct relay *relay, const struct pollfd *entry) {
  if (entry->fd < 0 || entry->revents == 0)
    return false;
  if (relay_is_full(relay))
    write_rest(relay);
  else if (entry->revents & POLLNVAL)
    close_from(relay);
  else
    read_some(relay);
  return true;
}

void relay_close(struct relay *relay) {
  close_from(relay);
  close_to(relay);
}
