/*
 * The process that makes network namespaces: it has to enter each, which the process that starts containers must not do.
 * What it has made waits in the socket until somebody needs it. Its client is net_pool.h.
 */
#ifndef TSBUILD_NET_WORKER_H
#define TSBUILD_NET_WORKER_H

#include "net_namespace.h"
#include "net_uplink.h"

enum net_request_kind {
  /* Is there a bridge network? The answer comes with a namespace of a step, the one it was tried with. */
  NET_ASK,
  /* A namespace without or with the bridge. */
  NET_MAKE_NONE,
  NET_MAKE_BRIDGE,
};

/* One message of a socket that keeps messages apart. */
struct net_request {
  enum net_request_kind kind;
  enum net_role role;
  /* Of use to the bridge only. */
  struct net_config config;
};

/* To each request one, in order; with the namespace as a descriptor unless it failed. */
struct net_reply {
  enum net_request_kind kind;
  enum net_role role;
  /* Stage 0: no error. */
  struct error error;
  uint32_t address;
  /* Of the bridge's range. */
  uint8_t prefix;
  /* Where containers reach the host. */
  uint32_t host_address;
};

struct net_worker {
  struct net_host host;
  struct net_uplink uplink;
  /* In the host's namespace, to which there would be no way back: no other can be made. */
  bool is_stuck;
  /* Why there can be no bridge network; stage 0: there can. */
  struct error refusal;
};

/* Answers until the other end is closed. */
void net_worker_answer(struct net_worker *worker, int socket);

/* Undoes what nobody else uses. */
void net_worker_leave(struct net_worker *worker);

#endif
