/*
 * A way out for who is not root. The process that makes networks moves to a namespace that is its own, where it may do what
 * root may do on the host; a program that every user can run, pasta(1) or slirp4netns(1), takes what leaves it to the host's sockets.
 */
#ifndef TSBUILD_NET_UPLINK_H
#define TSBUILD_NET_UPLINK_H

#include <sys/types.h>

#include "error.h"
#include "net_link.h"

struct net_uplink {
  /* First process of the pid namespace in which the program runs, and so its end; 0 where the host was not left. */
  pid_t pid;
  int socket;
  /* rtnetlink of the host's namespace. */
  int host_rt;
  /* Where the host is reached; an address that leads nowhere if it has none. */
  uint32_t host_address;
};

#define NET_UPLINK_NONE ((struct net_uplink){.socket = -1, .host_rt = -1})

/* Whether this process cannot make and leave namespaces and come back, so that it has to leave for good. */
bool net_uplink_is_needed(void);

/* Moves this process to a network namespace without any way out yet. */
int net_uplink_leave_host(struct net_uplink *uplink, struct error *error);

/* Connects the namespace, in which the program gets the address `.100` of `range` (/24), and itself is `.2`. Takes a moment. */
int net_uplink_connect(struct net_uplink *uplink, struct subnet range, struct error *error);

/* Ends the program, and waits until it is gone. */
void net_uplink_close(struct net_uplink *uplink);

/* Of net_uplink_run.c: the process that stays outside, until the other end of `socket` is closed. */
struct uplink_request {
  /* A process of the namespace, by its number in /proc. */
  pid_t target;
  struct subnet range;
};
_Noreturn void net_uplink_run(int socket);

#endif
