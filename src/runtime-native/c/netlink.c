#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

/* The kernel fills at most this much of a buffer with a part of a dump. */
#define ANSWER_MAX 32768

int netlink_open(int protocol) {
  cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  const int on = 1;
  if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
    return -1;
  /* Else each acknowledgement has a copy of the request. Only filters what comes; older kernels do without. */
  (void)!setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return steal_fd(&fd);
}

/* Zeroed room at the end; NULL when there is none. */
static void *extend(struct netlink_request *request, size_t size) {
  size_t aligned = NLMSG_ALIGN(size);
  if (request->overflows || aligned > sizeof request->bytes - request->size) {
    request->overflows = true;
    return NULL;
  }
  void *room = request->bytes + request->size;
  memset(room, 0, aligned);
  request->size += aligned;
  ((struct nlmsghdr *)(void *)(request->bytes + request->start))->nlmsg_len = (uint32_t)(request->size - request->start);
  return room;
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *head, size_t head_size) {
  request->start = request->size;
  struct nlmsghdr *message = extend(request, sizeof *message);
  if (message == NULL)
    return;
  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  netlink_put_raw(request, head, head_size);
}

void netlink_put_raw(struct netlink_request *request, const void *value, size_t size) {
  void *room = extend(request, size);
  if (room != NULL && size > 0)
    memcpy(room, value, size);
}

void netlink_put(struct netlink_request *request, uint16_t type, const void *value, size_t size) {
  struct nlattr *attribute = extend(request, NLA_HDRLEN + size);
  if (attribute == NULL)
    return;
  attribute->nla_type = type;
  attribute->nla_len = (uint16_t)(NLA_HDRLEN + size);
  if (size > 0)
    memcpy((uint8_t *)attribute + NLA_HDRLEN, value, size);
}

void netlink_put_u8(struct netlink_request *request, uint16_t type, uint8_t value) {
  netlink_put(request, type, &value, sizeof value);
}

void netlink_put_u32(struct netlink_request *request, uint16_t type, uint32_t value) {
  netlink_put(request, type, &value, sizeof value);
}

void netlink_put_be32(struct netlink_request *request, uint16_t type, uint32_t value) {
  netlink_put_u32(request, type, htonl(value));
}

void netlink_put_string(struct netlink_request *request, uint16_t type, const char *value) {
  netlink_put(request, type, value, strlen(value) + 1);
}

size_t netlink_open_nest(struct netlink_request *request, uint16_t type) {
  size_t nest = request->size;
  netlink_put(request, type | NLA_F_NESTED, NULL, 0);
  return nest;
}

void netlink_close_nest(struct netlink_request *request, size_t nest) {
  if (!request->overflows)
    ((struct nlattr *)(void *)(request->bytes + nest))->nla_len = (uint16_t)(request->size - nest);
}

/* All messages of a request get one number: the first verdict on any of them is the verdict on all. */
static void number_messages(struct netlink_request *request, uint32_t number) {
  size_t at = 0;
  while (at < request->size) {
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)(request->bytes + at);
    message->nlmsg_seq = number;
    at += NLMSG_ALIGN(message->nlmsg_len);
  }
}

static int verdict_of(const struct nlmsghdr *message) {
  int code;
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof code))
    return EPROTO;
  memcpy(&code, NLMSG_DATA(message), sizeof code);
  return -code;
}

int netlink_exchange(int socket, struct netlink_request *request, netlink_handler *handler, void *context) {
  static uint32_t last;
  static _Alignas(NLMSG_ALIGNTO) uint8_t answer[ANSWER_MAX];
  const uint32_t number = ++last;
  if (request->overflows) {
    errno = EMSGSIZE;
    return -1;
  }
  number_messages(request, number);
  ssize_t moved;
  do
    moved = send(socket, request->bytes, request->size, 0);
  while (moved < 0 && errno == EINTR);
  if (moved < 0)
    return -1;
  for (;;) {
    do
      moved = recv(socket, answer, sizeof answer, 0);
    while (moved < 0 && errno == EINTR);
    if (moved < 0)
      return -1;
    /* With a sign: NLMSG_NEXT takes the padding of the last message too, which need not be there. */
    int left = (int)moved;
    const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)answer;
    for (; left > 0 && NLMSG_OK(message, (unsigned)left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_seq != number)
        continue;
      if (message->nlmsg_type == NLMSG_DONE)
        return 0;
      if (message->nlmsg_type == NLMSG_ERROR) {
        errno = verdict_of(message);
        return errno == 0 ? 0 : -1;
      }
      if (handler != NULL)
        handler(context, message);
    }
  }
}

const void *netlink_head(const struct nlmsghdr *message, uint16_t type, size_t size) {
  return message->nlmsg_type == type && message->nlmsg_len >= NLMSG_LENGTH(size) ? NLMSG_DATA(message) : NULL;
}

const void *netlink_find(const struct nlmsghdr *message, size_t head_size, uint16_t type, size_t size) {
  size_t at = NLMSG_LENGTH(NLMSG_ALIGN(head_size));
  while (at + NLA_HDRLEN <= message->nlmsg_len) {
    const struct nlattr *attribute = (const struct nlattr *)(const void *)((const uint8_t *)message + at);
    if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > message->nlmsg_len - at)
      return NULL;
    if ((attribute->nla_type & NLA_TYPE_MASK) == type)
      return attribute->nla_len - (size_t)NLA_HDRLEN >= size ? (const uint8_t *)attribute + NLA_HDRLEN : NULL;
    at += NLA_ALIGN(attribute->nla_len);
  }
  return NULL;
}
