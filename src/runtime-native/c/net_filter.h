/*
 * The packet filter of our network: one nf_tables table of our own, `ip tsbuild`, put in place as a whole and removed as
 * a whole. What is in it is in docs/network.md.
 */
#ifndef TSBUILD_NET_FILTER_H
#define TSBUILD_NET_FILTER_H

#include <stddef.h>

#include "net_link.h"

struct filter {
  const char *bridge;
  struct subnet subnet;
  /* Interfaces that forward only for our sake: nothing else is let through from them. */
  const char (*forwarding)[IF_NAMESIZE];
  size_t forwarding_count;
};

/* A packet to here from the bridge is refused by our table, which is asked after those of others: net_namespace_probe. */
#define PROBE_ADDRESS UINT32_C(0xc6336401) /* 198.51.100.1, for documentation only (RFC 5737) */
#define PROBE_PORT 9

/* Puts the table in place, in the place of one that is there; in one step. -1 with errno. */
int filter_set(const struct filter *filter);

/* 0 also when there is none. */
int filter_remove(void);

#endif
