#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "io.h"
#include "spec.h"

bool channel_send(int fd, uint32_t container, enum message_kind kind, const void *data, size_t size) {
  struct message_head head = {.container = container, .kind = kind, .size = (uint32_t)size};
  struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)data, size}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  size_t left = sizeof head + size;
  while (left > 0) {
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0)
      return false;
    left -= (size_t)sent;
    for (size_t i = 0; i < 2 && sent > 0; i++) {
      size_t taken = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
      parts[i].iov_base = (char *)parts[i].iov_base + taken;
      parts[i].iov_len -= taken;
      sent -= (ssize_t)taken;
    }
  }
  return true;
}

bool channel_receive(int fd, struct message_head *head, uint8_t **data) {
  *data = NULL;
  if (read_all(fd, head, sizeof *head) != (ssize_t)sizeof *head || head->size > SPEC_SIZE_MAX)
    return false;
  if (head->size == 0)
    return true;
  uint8_t *bytes = malloc((size_t)head->size + 1);
  if (bytes == NULL || read_all(fd, bytes, head->size) != (ssize_t)head->size) {
    free(bytes);
    return false;
  }
  bytes[head->size] = '\0';
  *data = bytes;
  return true;
}
