#include "net_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <string.h>

#include "cleanup.h"
#include "netlink.h"

#define TABLE "tsbuild"
/* Behind the filters of others at 0: what arrives here they have let through. */
#define FORWARD_PRIORITY 20

static void begin(struct netlink_request *request, uint16_t message, uint16_t flags) {
  const struct nfgenmsg head = {.nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0};
  netlink_begin(request, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), flags, &head, sizeof head);
}

static void begin_batch(struct netlink_request *request, uint16_t message) {
  const struct nfgenmsg head = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0,
                                .res_id = htons(NFNL_SUBSYS_NFTABLES)};
  netlink_begin(request, message, 0, &head, sizeof head);
}

static void put_table(struct netlink_request *request, uint16_t message, uint16_t flags) {
  begin(request, message, flags);
  netlink_put_string(request, NFTA_TABLE_NAME, TABLE);
}

static void put_chain(struct netlink_request *request, const char *name, const char *type, uint32_t hook,
                      int32_t priority) {
  begin(request, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  netlink_put_string(request, NFTA_CHAIN_TABLE, TABLE);
  netlink_put_string(request, NFTA_CHAIN_NAME, name);
  netlink_put_string(request, NFTA_CHAIN_TYPE, type);
  size_t nest = netlink_open_nest(request, NFTA_CHAIN_HOOK);
  netlink_put_be32(request, NFTA_HOOK_HOOKNUM, hook);
  netlink_put_be32(request, NFTA_HOOK_PRIORITY, (uint32_t)priority);
  netlink_close_nest(request, nest);
}

/* A rule is a list of expressions that fill and compare one register; the first that does not hold ends it. */
struct rule {
  struct netlink_request *request;
  size_t expressions;
};

static struct rule open_rule(struct netlink_request *request, const char *chain) {
  begin(request, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
  netlink_put_string(request, NFTA_RULE_TABLE, TABLE);
  netlink_put_string(request, NFTA_RULE_CHAIN, chain);
  return (struct rule){request, netlink_open_nest(request, NFTA_RULE_EXPRESSIONS)};
}

static void close_rule(const struct rule *rule) { netlink_close_nest(rule->request, rule->expressions); }

struct expression {
  size_t element;
  size_t data;
};

static struct expression open_expression(const struct rule *rule, const char *name) {
  struct expression expression = {.element = netlink_open_nest(rule->request, NFTA_LIST_ELEM)};
  netlink_put_string(rule->request, NFTA_EXPR_NAME, name);
  expression.data = netlink_open_nest(rule->request, NFTA_EXPR_DATA);
  return expression;
}

static void close_expression(const struct rule *rule, struct expression expression) {
  netlink_close_nest(rule->request, expression.data);
  netlink_close_nest(rule->request, expression.element);
}

static void put_data(const struct rule *rule, uint16_t type, const void *value, size_t size) {
  size_t nest = netlink_open_nest(rule->request, type);
  netlink_put(rule->request, NFTA_DATA_VALUE, value, size);
  netlink_close_nest(rule->request, nest);
}

static void load_meta(const struct rule *rule, uint32_t key) {
  struct expression expression = open_expression(rule, "meta");
  netlink_put_be32(rule->request, NFTA_META_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_META_KEY, key);
  close_expression(rule, expression);
}

static void load_payload(const struct rule *rule, uint32_t base, size_t offset, size_t size) {
  struct expression expression = open_expression(rule, "payload");
  netlink_put_be32(rule->request, NFTA_PAYLOAD_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_PAYLOAD_BASE, base);
  netlink_put_be32(rule->request, NFTA_PAYLOAD_OFFSET, (uint32_t)offset);
  netlink_put_be32(rule->request, NFTA_PAYLOAD_LEN, (uint32_t)size);
  close_expression(rule, expression);
}

static void mask(const struct rule *rule, const void *value) {
  static const uint32_t zero;
  struct expression expression = open_expression(rule, "bitwise");
  netlink_put_be32(rule->request, NFTA_BITWISE_SREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_BITWISE_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_BITWISE_LEN, sizeof zero);
  put_data(rule, NFTA_BITWISE_MASK, value, sizeof zero);
  put_data(rule, NFTA_BITWISE_XOR, &zero, sizeof zero);
  close_expression(rule, expression);
}

static void compare(const struct rule *rule, enum nft_cmp_ops operation, const void *value, size_t size) {
  struct expression expression = open_expression(rule, "cmp");
  netlink_put_be32(rule->request, NFTA_CMP_SREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_CMP_OP, operation);
  put_data(rule, NFTA_CMP_DATA, value, size);
  close_expression(rule, expression);
}

static void match_interface(const struct rule *rule, uint32_t key, enum nft_cmp_ops operation, const char *name) {
  char padded[IF_NAMESIZE] = "";
  memcpy(padded, name, strnlen(name, sizeof padded - 1));
  load_meta(rule, key);
  compare(rule, operation, padded, sizeof padded);
}

static void match_address(const struct rule *rule, size_t offset, enum nft_cmp_ops operation, struct subnet subnet) {
  const uint32_t bits = htonl(subnet_mask(subnet.prefix));
  const uint32_t base = htonl(subnet.address) & bits;
  load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof base);
  mask(rule, &bits);
  compare(rule, operation, &base, sizeof base);
}

static void match_answers(const struct rule *rule) {
  const uint32_t wanted = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED), zero = 0;
  struct expression expression = open_expression(rule, "ct");
  netlink_put_be32(rule->request, NFTA_CT_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_CT_KEY, NFT_CT_STATE);
  close_expression(rule, expression);
  mask(rule, &wanted);
  compare(rule, NFT_CMP_NEQ, &zero, sizeof zero);
}

static void decide(const struct rule *rule, uint32_t verdict) {
  struct expression expression = open_expression(rule, "immediate");
  netlink_put_be32(rule->request, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  size_t data = netlink_open_nest(rule->request, NFTA_IMMEDIATE_DATA);
  size_t nest = netlink_open_nest(rule->request, NFTA_DATA_VERDICT);
  netlink_put_be32(rule->request, NFTA_VERDICT_CODE, verdict);
  netlink_close_nest(rule->request, nest);
  netlink_close_nest(rule->request, data);
  close_expression(rule, expression);
}

#define SOURCE offsetof(struct iphdr, saddr)
#define DESTINATION offsetof(struct iphdr, daddr)

/* What leaves by another interface does so with that interface's address. */
static void put_masquerade(struct netlink_request *request, const struct filter *filter) {
  put_chain(request, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);
  struct rule rule = open_rule(request, "postrouting");
  match_address(&rule, SOURCE, NFT_CMP_EQ, filter->subnet);
  match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_NEQ, filter->bridge);
  close_expression(&rule, open_expression(&rule, "masq"));
  close_rule(&rule);
}

/* The host's own loopback stays its own even where route_localnet was set for others (CVE-2020-8558). */
static void put_input(struct netlink_request *request, const struct filter *filter) {
  put_chain(request, "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER);
  struct rule rule = open_rule(request, "input");
  match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  match_address(&rule, DESTINATION, NFT_CMP_EQ, (struct subnet){.address = INADDR_LOOPBACK, .prefix = 8});
  decide(&rule, NF_DROP);
  close_rule(&rule);
}

static void put_probe(struct netlink_request *request, const struct filter *filter) {
  const uint8_t udp = IPPROTO_UDP;
  const uint16_t port = htons(PROBE_PORT);
  struct rule rule = open_rule(request, "forward");
  match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  match_address(&rule, DESTINATION, NFT_CMP_EQ, (struct subnet){.address = PROBE_ADDRESS, .prefix = 32});
  load_meta(&rule, NFT_META_L4PROTO);
  compare(&rule, NFT_CMP_EQ, &udp, sizeof udp);
  load_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(struct udphdr, dest), sizeof port);
  compare(&rule, NFT_CMP_EQ, &port, sizeof port);
  struct expression expression = open_expression(&rule, "reject");
  netlink_put_be32(request, NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
  netlink_put_u8(request, NFTA_REJECT_ICMP_CODE, ICMP_PROT_UNREACH);
  close_expression(&rule, expression);
  close_rule(&rule);
}

static void put_forward(struct netlink_request *request, const struct filter *filter) {
  put_chain(request, "forward", "filter", NF_INET_FORWARD, FORWARD_PRIORITY);
  put_probe(request, filter);

  /* A false source address would leave as it is: only ours are masqueraded. */
  struct rule rule = open_rule(request, "forward");
  match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  match_address(&rule, SOURCE, NFT_CMP_NEQ, filter->subnet);
  decide(&rule, NF_DROP);
  close_rule(&rule);

  /* From container to container, where frames of a bridge come by here at all (br_netfilter). */
  rule = open_rule(request, "forward");
  match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->bridge);
  match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_EQ, filter->bridge);
  decide(&rule, NF_ACCEPT);
  close_rule(&rule);

  rule = open_rule(request, "forward");
  match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_EQ, filter->bridge);
  match_answers(&rule);
  decide(&rule, NF_ACCEPT);
  close_rule(&rule);

  rule = open_rule(request, "forward");
  match_interface(&rule, NFT_META_OIFNAME, NFT_CMP_EQ, filter->bridge);
  decide(&rule, NF_DROP);
  close_rule(&rule);

  for (size_t i = 0; i < filter->forwarding_count; i++) {
    rule = open_rule(request, "forward");
    match_interface(&rule, NFT_META_IIFNAME, NFT_CMP_EQ, filter->forwarding[i]);
    decide(&rule, NF_DROP);
    close_rule(&rule);
  }
}

/* Ends the batch; only its last message is acknowledged, but the failure of any is told first. */
static int commit(struct netlink_request *request) {
  struct nlmsghdr *last = (struct nlmsghdr *)(void *)(request->bytes + request->start);
  last->nlmsg_flags |= NLM_F_ACK;
  begin_batch(request, NFNL_MSG_BATCH_END);
  cleanup_fd int socket = netlink_open(NETLINK_NETFILTER);
  return socket < 0 ? -1 : netlink_exchange(socket, request, NULL, NULL);
}

int filter_set(const struct filter *filter) {
  struct netlink_request request = {.size = 0};
  begin_batch(&request, NFNL_MSG_BATCH_BEGIN);
  /* To delete one that may not be there, it is made first. */
  put_table(&request, NFT_MSG_NEWTABLE, NLM_F_CREATE);
  put_table(&request, NFT_MSG_DELTABLE, 0);
  put_table(&request, NFT_MSG_NEWTABLE, NLM_F_CREATE);
  put_masquerade(&request, filter);
  put_input(&request, filter);
  put_forward(&request, filter);
  return commit(&request);
}

int filter_remove(void) {
  struct netlink_request request = {.size = 0};
  begin_batch(&request, NFNL_MSG_BATCH_BEGIN);
  put_table(&request, NFT_MSG_DELTABLE, 0);
  return commit(&request) < 0 && errno != ENOENT ? -1 : 0;
}
