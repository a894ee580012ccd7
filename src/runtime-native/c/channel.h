/*
 * Messages between tsbuild and the helper, both ways on one stream. Each has a head and its data; helper.ts is the
 * other side.
 */
#ifndef TSBUILD_CHANNEL_H
#define TSBUILD_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_kind {
  /* From tsbuild. Data: a description as in spec.h. The container's number must be new. */
  MESSAGE_START = 1,
  /* From tsbuild. Data: a signal's number, a word. */
  MESSAGE_SIGNAL = 2,
  /* From the helper. Data: a record as in status.h, without the unused end. */
  MESSAGE_STATUS = 3,
  /* From the helper. Data: what the container wrote. */
  MESSAGE_STDOUT = 4,
  MESSAGE_STDERR = 5,
  /* From tsbuild. Data: an enum container_request and the number for its answer, words. */
  MESSAGE_REQUEST = 6,
  /*
   * From tsbuild. Data: a bridge as in net_config.h. Asks whether containers can have that network. From the helper the
   * answer, a network_answer and then, if they cannot, why. The container's number is 0.
   */
  MESSAGE_NETWORK = 7,
};

struct message_head {
  /* The container's number, which tsbuild chose. */
  uint32_t container;
  uint32_t kind;
  uint32_t size;
};

struct network_answer {
  /* The bridge's address, the most significant byte first; 0 if there is none. */
  uint32_t gateway;
  /* An errno, or 0. */
  int32_t code;
};

/* Sends a message; waits while tsbuild is behind. False when it is gone. */
bool channel_send(int fd, uint32_t container, enum message_kind kind, const void *data, size_t size);

/*
 * Waits for a whole message. *data is the caller's to free, with a NUL after it, NULL if it is empty. False at the end and for what is no message.
 */
bool channel_receive(int fd, struct message_head *head, uint8_t **data);

#endif
