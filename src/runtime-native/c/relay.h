/* Bytes on their way between the container's stdio and the caller's. */
#ifndef TSBUILD_RELAY_H
#define TSBUILD_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct relay {
  /* Owned; -1 once it has ended. */
  int from;
  /* Owned only if `closes`; -1 when there is nobody to write to. */
  int to;
  bool closes;
  /* Waits for room on `to` by poll alone, as its mode cannot be changed: others share it. */
  bool is_shared;
  bool is_socket;
  /* Takes everything at once, in the place of `to`; may be NULL. */
  void (*take)(void *context, const void *data, size_t size);
  void *context;
  size_t start;
  size_t end;
  /* Allocated with the first byte that has to wait for its reader; owned. */
  char *buffer;
};

/* `to_is_shared` as in the struct; `closes` closes `to` after the last byte. */
void relay_open(struct relay *relay, int from, int to, bool to_is_shared, bool closes);

/* Hands over what is read instead of writing it. */
void relay_open_to(struct relay *relay, int from, void (*take)(void *context, const void *data, size_t size),
                   void *context);

/* Not in use; relay_is_done. */
void relay_init(struct relay *relay);

/* What to wait for: fills one entry, with a descriptor of -1 when there is nothing. */
void relay_poll(const struct relay *relay, struct pollfd *entry);

/* Moves what can be moved, given what poll said; true if anything happened. */
bool relay_move(struct relay *relay, const struct pollfd *entry);

/* Nothing more will come, and all is delivered. */
bool relay_is_done(const struct relay *relay);

/* Whether it holds bytes that its reader has not taken yet. */
bool relay_is_full(const struct relay *relay);

void relay_close(struct relay *relay);

#endif
