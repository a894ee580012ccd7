#include "fd_message.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* Room for one descriptor, aligned as cmsg(3) wants it. */
union control {
  struct cmsghdr header;
  char space[CMSG_SPACE(sizeof(int))];
};

int fd_message_send(int socket, const void *data, size_t size, int fd) {
  union control control = {0};
  struct iovec part = {(void *)(uintptr_t)data, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  ssize_t sent;
  do
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -1 : 0;
}

ssize_t fd_message_receive(int socket, void *data, size_t size, int flags, int *fd) {
  union control control = {0};
  struct iovec part = {data, size};
  ssize_t got;
  *fd = -1;
  struct msghdr message;
  do {
    /* Not CMSG_SPACE: its padding has room for a second descriptor, which nobody would close. */
    message = (struct msghdr){
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof *fd)};
    got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof *fd))
    memcpy(fd, CMSG_DATA(header), sizeof *fd);
  return got;
}
