#include "net_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "cleanup.h"
#include "net_rules.h"

#define TABLE "tsbuild"
/* Behind the filters of others at 0: what arrives here they have let through. */
#define FORWARD_PRIORITY 20

/* What leaves by another interface does so with that interface's address. */
static void put_masquerade(struct netlink_request *request, const struct filter *filter) {
  rules_put_chain(request, TABLE, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);
  struct rule rule = rule_open(request, TABLE, "postrouting");
  rule_match_address(&rule, RULE_SOURCE, NFT_CMP_EQ, filter->subnet);
  rule_match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_NEQ, filter->bridge);
  rule_masquerade(&rule);
  rule_close(&rule);
}

/* The host's own loopback stays its own even where route_localnet was set for others (CVE-2020-8558). */
static void put_input(struct netlink_request *request, const struct filter *filter) {
  rules_put_chain(request, TABLE, "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER);
  /* Its own connections to a published port have their answers come this way. */
  struct rule rule = rule_open(request, TABLE, "input");
  rule_match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_match_answers(&rule);
  rule_decide(&rule, NF_ACCEPT);
  rule_close(&rule);

  rule = rule_open(request, TABLE, "input");
  rule_match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_match_address(&rule, RULE_DESTINATION, NFT_CMP_EQ, (struct subnet){.address = INADDR_LOOPBACK, .prefix = 8});
  rule_decide(&rule, NF_DROP);
  rule_close(&rule);
}

static void put_probe(struct netlink_request *request, const struct filter *filter) {
  struct rule rule = rule_open(request, TABLE, "forward");
  rule_match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_match_address(&rule, RULE_DESTINATION, NFT_CMP_EQ, (struct subnet){.address = PROBE_ADDRESS, .prefix = 32});
  rule_match_port(&rule, IPPROTO_UDP, PROBE_PORT);
  struct expression expression = rule_open_expression(&rule, "reject");
  netlink_put_be32(request, NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
  netlink_put_u8(request, NFTA_REJECT_ICMP_CODE, ICMP_PROT_UNREACH);
  rule_close_expression(&rule, expression);
  rule_close(&rule);
}

static void put_forward(struct netlink_request *request, const struct filter *filter) {
  rules_put_chain(request, TABLE, "forward", "filter", NF_INET_FORWARD, FORWARD_PRIORITY);
  put_probe(request, filter);

  /* A false source address would leave as it is: only ours are masqueraded. */
  struct rule rule = rule_open(request, TABLE, "forward");
  rule_match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_match_address(&rule, RULE_SOURCE, NFT_CMP_NEQ, filter->subnet);
  rule_decide(&rule, NF_DROP);
  rule_close(&rule);

  /* From container to container, where frames of a bridge come by here at all (br_netfilter). */
  rule = rule_open(request, TABLE, "forward");
  rule_match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_decide(&rule, NF_ACCEPT);
  rule_close(&rule);

  rule = rule_open(request, TABLE, "forward");
  rule_match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_match_answers(&rule);
  rule_decide(&rule, NF_ACCEPT);
  rule_close(&rule);

  /* To a published port (net_ports.h). */
  rule = rule_open(request, TABLE, "forward");
  rule_match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_match_redirected(&rule);
  rule_decide(&rule, NF_ACCEPT);
  rule_close(&rule);

  rule = rule_open(request, TABLE, "forward");
  rule_match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_EQ, filter->bridge);
  rule_decide(&rule, NF_DROP);
  rule_close(&rule);

  for (size_t i = 0; i < filter->forwarding_count; i++) {
    rule = rule_open(request, TABLE, "forward");
    rule_match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->forwarding[i]);
    rule_decide(&rule, NF_DROP);
    rule_close(&rule);
  }
}

static int commit(struct netlink_request *request) {
  cleanup_fd int socket = netlink_open(NETLINK_NETFILTER);
  return socket < 0 ? -1 : rules_commit(request, socket);
}

int filter_set(const struct filter *filter) {
  struct netlink_request request = {.size = 0};
  rules_begin(&request);
  /* To delete one that may not be there, it is made first. */
  rules_put_table(&request, TABLE, NFT_MSG_NEWTABLE, NLM_F_CREATE);
  rules_put_table(&request, TABLE, NFT_MSG_DELTABLE, 0);
  rules_put_table(&request, TABLE, NFT_MSG_NEWTABLE, NLM_F_CREATE);
  put_masquerade(&request, filter);
  put_input(&request, filter);
  put_forward(&request, filter);
  return commit(&request);
}

int filter_remove(void) {
  struct netlink_request request = {.size = 0};
  rules_begin(&request);
  rules_put_table(&request, TABLE, NFT_MSG_DELTABLE, 0);
  return commit(&request) < 0 && errno != ENOENT ? -1 : 0;
}
