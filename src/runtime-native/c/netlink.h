/* Requests to the kernel's network configuration, netlink(7): built in a buffer, sent, and answered or refused. */
#ifndef TSBUILD_NETLINK_H
#define TSBUILD_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One message, or several with one answer. Too small a buffer is found when it is sent. */
struct netlink_request {
  size_t size;
  /* Where the message that is being built starts. */
  size_t start;
  bool overflows;
  _Alignas(NLMSG_ALIGNTO) uint8_t bytes[8192];
};

/* A socket that speaks to the network namespace that its maker is in now, for good; -1 with errno. */
int netlink_open(int protocol);

/* Starts the next message of `request` with the fixed head of its type. */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *head, size_t head_size);

void netlink_put(struct netlink_request *request, uint16_t type, const void *value, size_t size);
void netlink_put_u8(struct netlink_request *request, uint16_t type, uint8_t value);
void netlink_put_u32(struct netlink_request *request, uint16_t type, uint32_t value);
/* As nf_tables wants its numbers: in network byte order. */
void netlink_put_be32(struct netlink_request *request, uint16_t type, uint32_t value);
void netlink_put_string(struct netlink_request *request, uint16_t type, const char *value);
/* A fixed head in the middle: VETH_INFO_PEER has one. */
void netlink_put_raw(struct netlink_request *request, const void *value, size_t size);

/* What is put between the two is inside of one attribute. */
size_t netlink_open_nest(struct netlink_request *request, uint16_t type);
void netlink_close_nest(struct netlink_request *request, size_t nest);

/* Gets every message of an answer. */
typedef void netlink_handler(void *context, const struct nlmsghdr *message);

/* Sends the request and waits for the answer, which `handler` gets if it is not NULL. 0, or -1 with the kernel's errno. */
int netlink_exchange(int socket, struct netlink_request *request, netlink_handler *handler, void *context);

/* What a message of the type starts with; NULL for one of another type or one that is cut. */
const void *netlink_head(const struct nlmsghdr *message, uint16_t type, size_t size);

/* The attribute `type` behind a head of `head_size` bytes whose value has at least `size`; NULL if there is none. */
const void *netlink_find(const struct nlmsghdr *message, size_t head_size, uint16_t type, size_t size);

#endif
