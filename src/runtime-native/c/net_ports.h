/*
 * Ports of the host that lead to a container on the bridge. They are a table of nf_tables that belongs to a socket: the kernel
 * removes it with the last process that holds the socket, whatever ended that.
 */
#ifndef TSBUILD_NET_PORTS_H
#define TSBUILD_NET_PORTS_H

#include "error.h"
#include "net_link.h"

struct published_port {
  /* IPPROTO_TCP or IPPROTO_UDP. */
  uint8_t protocol;
  /* 0: every address of the host. */
  uint32_t host_address;
  uint16_t host_port;
  uint16_t container_port;
};

/*
 * Publishes the ports of the container with the address `own`, and the range that is the bridge's. Returns the descriptor that
 * keeps them so; -1 with `error` filled. Whether somebody else has a port is for the caller to find out.
 */
int net_ports_publish(const struct published_port *ports, size_t count, const char *bridge, struct subnet own,
                      struct error *error);

#endif
