/* Network namespaces, ready to be entered by one container. */
#ifndef TSBUILD_NET_NAMESPACE_H
#define TSBUILD_NET_NAMESPACE_H

#include "net_host.h"

/* What a container does in its network. */
enum net_role {
  /* A build's step: only uses it; others like it are out of its reach. */
  NET_STEP,
  /* `tsbuild run`: others reach it, and every user in it may open low ports and ping, as with Docker. */
  NET_SERVICE,
};

/*
 * Makes a namespace with the loopback up and, unless `host` is NULL, with `eth0` on the bridge: an address of its own, in
 * *address, and the bridge as the way to everything else. Returns its descriptor; this process is back where it was.
 */
int net_namespace_make(const struct net_host *host, enum net_role role, uint32_t *address, struct error *error);

/*
 * Whether what leaves such a namespace gets through the filters of others, which our own table cannot overrule. Sends a
 * packet that never leaves this machine.
 */
int net_namespace_probe(int namespace, struct error *error);

#endif
