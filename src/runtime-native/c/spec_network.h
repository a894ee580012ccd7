/* The keys of a description about the network. */
#ifndef TSBUILD_SPEC_NETWORK_H
#define TSBUILD_SPEC_NETWORK_H

#include "spec.h"
#include "spec_values.h"

int spec_read_network(struct parser *parser, enum network_kind *out);
int spec_read_network_role(struct parser *parser, enum net_role *out);
/* `PID START`: a process that is in the network to join. */
int spec_read_network_process(struct parser *parser, struct network_spec *network);
/* One more `tcp|udp ADDRESS PORT CONTAINER-PORT`. */
int spec_append_port(struct parser *parser, struct network_spec *network);
int spec_read_bridge(struct parser *parser, struct net_config *out);

/* The rules that involve several keys. */
int spec_check_network(const struct network_spec *network, struct error *error);

#endif
