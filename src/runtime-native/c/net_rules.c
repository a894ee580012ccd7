#include "net_rules.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <netinet/udp.h>
#include <string.h>

static void begin(struct netlink_request *request, uint16_t message, uint16_t flags) {
  const struct nfgenmsg head = {.nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0};
  netlink_begin(request, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), flags, &head, sizeof head);
}

static void begin_batch(struct netlink_request *request, uint16_t message) {
  const struct nfgenmsg head = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0,
                                .res_id = htons(NFNL_SUBSYS_NFTABLES)};
  netlink_begin(request, message, 0, &head, sizeof head);
}

void rules_put_table(struct netlink_request *request, const char *table, uint16_t message, uint16_t flags) {
  begin(request, message, flags);
  netlink_put_string(request, NFTA_TABLE_NAME, table);
}

void rules_put_chain(struct netlink_request *request, const char *table, const char *name, const char *type,
                     uint32_t hook, int32_t priority) {
  begin(request, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  netlink_put_string(request, NFTA_CHAIN_TABLE, table);
  netlink_put_string(request, NFTA_CHAIN_NAME, name);
  netlink_put_string(request, NFTA_CHAIN_TYPE, type);
  size_t nest = netlink_open_nest(request, NFTA_CHAIN_HOOK);
  netlink_put_be32(request, NFTA_HOOK_HOOKNUM, hook);
  netlink_put_be32(request, NFTA_HOOK_PRIORITY, (uint32_t)priority);
  netlink_close_nest(request, nest);
}

struct rule rule_open(struct netlink_request *request, const char *table, const char *chain) {
  begin(request, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
  netlink_put_string(request, NFTA_RULE_TABLE, table);
  netlink_put_string(request, NFTA_RULE_CHAIN, chain);
  return (struct rule){request, netlink_open_nest(request, NFTA_RULE_EXPRESSIONS)};
}

void rule_close(const struct rule *rule) { netlink_close_nest(rule->request, rule->expressions); }

struct expression rule_open_expression(const struct rule *rule, const char *name) {
  struct expression expression = {.element = netlink_open_nest(rule->request, NFTA_LIST_ELEM)};
  netlink_put_string(rule->request, NFTA_EXPR_NAME, name);
  expression.data = netlink_open_nest(rule->request, NFTA_EXPR_DATA);
  return expression;
}

void rule_close_expression(const struct rule *rule, struct expression expression) {
  netlink_close_nest(rule->request, expression.data);
  netlink_close_nest(rule->request, expression.element);
}

static void put_data(const struct rule *rule, uint16_t type, const void *value, size_t size) {
  size_t nest = netlink_open_nest(rule->request, type);
  netlink_put(rule->request, NFTA_DATA_VALUE, value, size);
  netlink_close_nest(rule->request, nest);
}

void rule_load_meta(const struct rule *rule, uint32_t key) {
  struct expression expression = rule_open_expression(rule, "meta");
  netlink_put_be32(rule->request, NFTA_META_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_META_KEY, key);
  rule_close_expression(rule, expression);
}

void rule_load_payload(const struct rule *rule, uint32_t base, size_t offset, size_t size) {
  struct expression expression = rule_open_expression(rule, "payload");
  netlink_put_be32(rule->request, NFTA_PAYLOAD_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_PAYLOAD_BASE, base);
  netlink_put_be32(rule->request, NFTA_PAYLOAD_OFFSET, (uint32_t)offset);
  netlink_put_be32(rule->request, NFTA_PAYLOAD_LEN, (uint32_t)size);
  rule_close_expression(rule, expression);
}

static void mask(const struct rule *rule, const void *value) {
  static const uint32_t zero;
  struct expression expression = rule_open_expression(rule, "bitwise");
  netlink_put_be32(rule->request, NFTA_BITWISE_SREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_BITWISE_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_BITWISE_LEN, sizeof zero);
  put_data(rule, NFTA_BITWISE_MASK, value, sizeof zero);
  put_data(rule, NFTA_BITWISE_XOR, &zero, sizeof zero);
  rule_close_expression(rule, expression);
}

void rule_compare(const struct rule *rule, enum nft_cmp_ops operation, const void *value, size_t size) {
  struct expression expression = rule_open_expression(rule, "cmp");
  netlink_put_be32(rule->request, NFTA_CMP_SREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_CMP_OP, operation);
  put_data(rule, NFTA_CMP_DATA, value, size);
  rule_close_expression(rule, expression);
}

void rule_match_interface(const struct rule *rule, uint32_t key, enum nft_cmp_ops operation, const char *name) {
  char padded[IF_NAMESIZE] = "";
  memcpy(padded, name, strnlen(name, sizeof padded - 1));
  rule_load_meta(rule, key);
  rule_compare(rule, operation, padded, sizeof padded);
}

void rule_match_address(const struct rule *rule, size_t offset, enum nft_cmp_ops operation, struct subnet subnet) {
  const uint32_t bits = htonl(subnet_mask(subnet.prefix));
  const uint32_t base = htonl(subnet.address) & bits;
  rule_load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof base);
  mask(rule, &bits);
  rule_compare(rule, operation, &base, sizeof base);
}

/* Of the connection's `key`, any of `bits`. */
static void match_connection(const struct rule *rule, enum nft_ct_keys key, uint32_t bits) {
  const uint32_t zero = 0;
  struct expression expression = rule_open_expression(rule, "ct");
  netlink_put_be32(rule->request, NFTA_CT_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_CT_KEY, key);
  rule_close_expression(rule, expression);
  mask(rule, &bits);
  rule_compare(rule, NFT_CMP_NEQ, &zero, sizeof zero);
}

void rule_match_answers(const struct rule *rule) {
  match_connection(rule, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
}

void rule_match_redirected(const struct rule *rule) { match_connection(rule, NFT_CT_STATUS, IPS_DST_NAT); }

void rule_match_local(const struct rule *rule) {
  const uint32_t local = RTN_LOCAL;
  struct expression expression = rule_open_expression(rule, "fib");
  netlink_put_be32(rule->request, NFTA_FIB_DREG, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
  netlink_put_be32(rule->request, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
  rule_close_expression(rule, expression);
  rule_compare(rule, NFT_CMP_EQ, &local, sizeof local);
}

/* The destination is at the same place in the headers of both. */
void rule_match_port(const struct rule *rule, uint8_t protocol, uint16_t port) {
  const uint16_t wire = htons(port);
  rule_load_meta(rule, NFT_META_L4PROTO);
  rule_compare(rule, NFT_CMP_EQ, &protocol, sizeof protocol);
  rule_load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(struct udphdr, dest), sizeof wire);
  rule_compare(rule, NFT_CMP_EQ, &wire, sizeof wire);
}

static void load_value(const struct rule *rule, uint32_t into, const void *value, size_t size) {
  struct expression expression = rule_open_expression(rule, "immediate");
  netlink_put_be32(rule->request, NFTA_IMMEDIATE_DREG, into);
  put_data(rule, NFTA_IMMEDIATE_DATA, value, size);
  rule_close_expression(rule, expression);
}

void rule_redirect(const struct rule *rule, uint32_t address, uint16_t port) {
  const uint32_t wire_address = htonl(address);
  const uint16_t wire_port = htons(port);
  load_value(rule, NFT_REG_1, &wire_address, sizeof wire_address);
  load_value(rule, NFT_REG_2, &wire_port, sizeof wire_port);
  struct expression expression = rule_open_expression(rule, "nat");
  netlink_put_be32(rule->request, NFTA_NAT_TYPE, NFT_NAT_DNAT);
  netlink_put_be32(rule->request, NFTA_NAT_FAMILY, NFPROTO_IPV4);
  netlink_put_be32(rule->request, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
  netlink_put_be32(rule->request, NFTA_NAT_REG_PROTO_MIN, NFT_REG_2);
  rule_close_expression(rule, expression);
}

void rule_masquerade(const struct rule *rule) { rule_close_expression(rule, rule_open_expression(rule, "masq")); }

void rule_decide(const struct rule *rule, uint32_t verdict) {
  struct expression expression = rule_open_expression(rule, "immediate");
  netlink_put_be32(rule->request, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  size_t data = netlink_open_nest(rule->request, NFTA_IMMEDIATE_DATA);
  size_t nest = netlink_open_nest(rule->request, NFTA_DATA_VERDICT);
  netlink_put_be32(rule->request, NFTA_VERDICT_CODE, verdict);
  netlink_close_nest(rule->request, nest);
  netlink_close_nest(rule->request, data);
  rule_close_expression(rule, expression);
}

void rules_begin(struct netlink_request *request) { begin_batch(request, NFNL_MSG_BATCH_BEGIN); }

/* Ends the batch; only its last message is acknowledged, but the failure of any is told first. */
int rules_commit(struct netlink_request *request, int socket) {
  struct nlmsghdr *last = (struct nlmsghdr *)(void *)(request->bytes + request->start);
  last->nlmsg_flags |= NLM_F_ACK;
  begin_batch(request, NFNL_MSG_BATCH_END);
  return netlink_exchange(socket, request, NULL, NULL);
}
