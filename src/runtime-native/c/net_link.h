/* Interfaces, addresses and routes by rtnetlink(7). `rt` is a socket from netlink_open(NETLINK_ROUTE). */
#ifndef TSBUILD_NET_LINK_H
#define TSBUILD_NET_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* IPv4 addresses and prefixes here are in the host's byte order. */
struct subnet {
  uint32_t address;
  uint8_t prefix;
};

static inline uint32_t subnet_mask(uint8_t prefix) { return prefix == 0 ? 0 : ~UINT32_C(0) << (32 - prefix); }

static inline bool subnet_overlaps(struct subnet a, struct subnet b) {
  return ((a.address ^ b.address) & subnet_mask(a.prefix < b.prefix ? a.prefix : b.prefix)) == 0;
}

struct link_info {
  /* 0 when there is no such interface. */
  uint32_t index;
  uint32_t mtu;
  /* Packets are dropped until the kernel has noticed, a moment after it was set up, that the other end is up. */
  bool is_active;
};

/* 0 also when there is none; -1 with errno. */
int link_find(int rt, const char *name, struct link_info *info);

/* A bridge that is up, with a hardware address that does not change when ports come and go. */
int link_add_bridge(int rt, const char *name, const uint8_t mac[6], uint32_t mtu);

/*
 * A pair of interfaces: `name` here as a port of the bridge, up, and `eth0` in the namespace, down. EEXIST when the name
 * is taken.
 */
int link_add_pair(int rt, const char *name, uint32_t bridge, int namespace, const uint8_t mac[6], uint32_t mtu);

/* Ports that are isolated do not reach each other. */
int link_isolate_port(int rt, uint32_t index);

/* The bridge may send a frame back by the port that it came from. */
int link_reflect_port(int rt, uint32_t index);

/* The port of the container with that address: its name is the lease of the address. */
struct link_name {
  char text[IF_NAMESIZE];
};
struct link_name link_port_name(uint32_t address);

int link_set_up(int rt, uint32_t index);
int link_delete(int rt, const char *name);

/* Deletes every port of the bridge. */
int link_delete_ports(int rt, uint32_t bridge);

int address_add(int rt, uint32_t index, struct subnet address);
int route_add_default(int rt, uint32_t gateway);

struct route {
  struct subnet to;
  uint32_t interface;
  bool is_unicast;
};

/* Calls for every IPv4 route of every table. */
int route_list(int rt, void (*on_route)(void *context, const struct route *route), void *context);

#endif
