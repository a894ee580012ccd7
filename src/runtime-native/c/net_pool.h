/* Network namespaces made ahead by a worker (net_worker.h). Each is given out once. */
#ifndef TSBUILD_NET_POOL_H
#define TSBUILD_NET_POOL_H

#include "net_worker.h"

#define NET_POOL_READY_MAX 16
/* NET_MAKE_NONE and NET_MAKE_BRIDGE, each as a step and as a service. */
#define NET_POOL_KINDS 4

struct net_ready {
  int namespace;
  struct subnet own;
};

/* The namespaces of one kind. */
struct net_shelf {
  struct net_ready ready[NET_POOL_READY_MAX];
  size_t count;
  /* Requests without a reply yet. */
  size_t asked;
  /* How many there should be ahead; grows when there were too few. */
  size_t ahead;
  struct error error;
};

struct net_pool {
  /* To the worker; -1 once it is gone. */
  int socket;
  /* The worker is what keeps this process, which ends with it: its signal may be on the way still. */
  bool ends_with_worker;
  struct net_shelf shelves[NET_POOL_KINDS];
  /* Gets each reply to NET_ASK, whose namespace is kept here. */
  void (*on_answer)(void *context, const struct net_reply *reply);
  void *context;
};

/* Takes the socket over; keeps `ahead` namespaces of each kind that was taken, and more when that was too few. */
void net_pool_open(struct net_pool *pool, int socket, size_t ahead);

/* Asks whether there is a bridge network; `on_answer` hears of it. False when the worker is gone. */
bool net_pool_ask(struct net_pool *pool, const struct net_config *config);

/* Takes in one reply, for which the socket must be readable. */
void net_pool_receive(struct net_pool *pool);

/*
 * A namespace that nobody else gets, the caller's to close; *own is its address on the bridge, and the bridge's range. Waits for the worker when
 * there is none, and lets it make another. -1 with `error` filled.
 */
int net_pool_take(struct net_pool *pool, enum net_request_kind kind, enum net_role role,
                  const struct net_config *config, struct subnet *own, struct error *error);

void net_pool_close(struct net_pool *pool);

#endif
