#include "net_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <stdio.h>

#include "cleanup.h"
#include "net_rules.h"
#include "net_sysctl.h"
#include "stage.h"

static const struct subnet loopback = {.address = INADDR_LOOPBACK, .prefix = 8};

struct publication {
  /* One for each container. */
  char table[32];
  const char *bridge;
  struct subnet own;
};

static void match_host(const struct rule *rule, const struct published_port *port) {
  if (port->host_address == 0)
    rule_match_local(rule);
  else
    rule_match_address(rule, RULE_DESTINATION, NFT_CMP_EQ, (struct subnet){port->host_address, 32});
}

/*
 * For what comes from elsewhere, before it is routed, and for what programs of the host send. Only those can mean the loopback:
 * a neighbour that sends to 127.0.0.1 is not to reach what was published for the host alone.
 */
static void put_port(struct netlink_request *request, const struct publication *publication,
                     const struct published_port *port) {
  const char *const chains[] = {"prerouting", "output"};
  for (size_t i = 0; i < 2; i++) {
    struct rule rule = rule_open(request, publication->table, chains[i]);
    if (i == 0)
      rule_match_address(&rule, RULE_DESTINATION, NFT_CMP_NEQ, loopback);
    match_host(&rule, port);
    rule_match_port(&rule, port->protocol, port->host_port);
    rule_redirect(&rule, publication->own.address, port->container_port);
    rule_close(&rule);
  }
}

/*
 * Answers must come back by way of the host, which changes them: what the host sends from its loopback, and what containers send,
 * comes from the bridge's own address.
 */
static void put_return(struct netlink_request *request, const struct publication *publication, struct subnet from) {
  struct rule rule = rule_open(request, publication->table, "postrouting");
  rule_match_address(&rule, RULE_SOURCE, NFT_CMP_EQ, from);
  rule_match_address(&rule, RULE_DESTINATION, NFT_CMP_EQ, (struct subnet){publication->own.address, 32});
  rule_match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_EQ, publication->bridge);
  rule_match_redirected(&rule);
  rule_masquerade(&rule);
  rule_close(&rule);
}

static int put_table(int socket, const struct publication *publication) {
  struct netlink_request request = {.size = 0};
  rules_begin(&request);
  rules_put_table(&request, publication->table, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
  netlink_put_be32(&request, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  rules_put_chain(&request, publication->table, "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST);
  rules_put_chain(&request, publication->table, "output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST);
  /* Before the bridge's own masquerading, which is not for these. */
  rules_put_chain(&request, publication->table, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC - 1);
  put_return(&request, publication, loopback);
  put_return(&request, publication, publication->own);
  return rules_commit(&request, socket);
}

/*
 * For what the container sends to its own published port: with br_netfilter the bridge itself sends it on, which is back to
 * where it came from.
 */
static int reflect(uint32_t address) {
  cleanup_fd int rt = netlink_open(NETLINK_ROUTE);
  struct link_info port;
  return rt < 0 || link_find(rt, link_port_name(address).text, &port) < 0 ? -1 : link_reflect_port(rt, port.index);
}

int net_ports_publish(const struct published_port *ports, size_t count, const char *bridge, struct subnet own,
                      struct error *error) {
  struct publication publication = {.bridge = bridge, .own = own};
  snprintf(publication.table, sizeof publication.table, "tsbuild-%08x", own.address);
  /* The host's loopback may then lead to the bridge; into it from there nothing gets, which the table `tsbuild` sees to. */
  if (net_sysctl_switch(bridge, "route_localnet", true) < 0)
    return fail(error, STAGE_NETWORK, errno, "route_localnet of %s", bridge);
  if (reflect(own.address) < 0)
    return fail(error, STAGE_NETWORK, errno, "port of %s", bridge);
  cleanup_fd int socket = netlink_open(NETLINK_NETFILTER);
  if (socket < 0 || put_table(socket, &publication) < 0)
    return fail(error, STAGE_NETWORK, errno, "published ports");
  for (size_t i = 0; i < count; i++) {
    struct netlink_request request = {.size = 0};
    rules_begin(&request);
    put_port(&request, &publication, &ports[i]);
    if (rules_commit(&request, socket) < 0)
      return fail(error, STAGE_NETWORK, errno, "port %u", ports[i].host_port);
  }
  return steal_fd(&socket);
}
