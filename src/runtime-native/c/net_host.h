/*
 * The part of the network that is on the host: a bridge, a table of the packet filter, and forwarding. The first user
 * makes it, every user mends it, the last one takes it away again; see docs/network.md.
 */
#ifndef TSBUILD_NET_HOST_H
#define TSBUILD_NET_HOST_H

#include "net_config.h"
#include "net_state.h"
#include "net_uplink.h"

struct net_host {
  struct net_state state;
  /* Where this process has left the host's namespace; else NULL. */
  struct net_uplink *uplink;
  bool is_joined;
  /* rtnetlink, of the host's namespace. */
  int rt;
  struct net_config config;
  uint32_t bridge;
  struct subnet gateway;
  /* That of the way out. */
  uint32_t mtu;
};

/*
 * Finds the state; nothing is changed yet. Must be called in the host's network namespace, like all here, or, with an
 * `uplink`, in the one that takes its place. The uplink is connected when there is a user.
 */
int net_host_open(struct net_host *host, struct net_uplink *uplink, struct error *error);

/* Joins, if that is not done yet. A network that runs already must be the one that `config` asks for. */
int net_host_join(struct net_host *host, const struct net_config *config, struct error *error);

/* Undoes what was done if nobody else uses it, also what killed users left. */
void net_host_leave(struct net_host *host);

#endif
