/* Which bridge, and which addresses: what tsbuild says of its network, as text `NAME [ADDRESS/PREFIX]`. */
#ifndef TSBUILD_NET_CONFIG_H
#define TSBUILD_NET_CONFIG_H

#include "error.h"
#include "net_link.h"

struct net_config {
  char bridge[IF_NAMESIZE];
  /* A prefix of 0: one that is free is to be found. */
  struct subnet subnet;
};

/* -1 with STAGE_SPEC for what is no name of an interface or no private range of addresses. */
int net_config_parse(const char *text, struct net_config *config, struct error *error);

/* Reads `ADDRESS/PREFIX`; false for anything else. */
bool subnet_parse(const char *text, struct subnet *subnet);

#endif
