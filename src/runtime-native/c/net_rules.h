/* Tables, chains and rules of nf_tables for IPv4 as netlink messages. One batch takes effect as a whole or not at all. */
#ifndef TSBUILD_NET_RULES_H
#define TSBUILD_NET_RULES_H

#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <stdint.h>

#include "net_link.h"
#include "netlink.h"

/* Starts a batch; what is put follows, then rules_commit. */
void rules_begin(struct netlink_request *request);

/* `message` is NFT_MSG_NEWTABLE or NFT_MSG_DELTABLE; further attributes may follow. */
void rules_put_table(struct netlink_request *request, const char *table, uint16_t message, uint16_t flags);
void rules_put_chain(struct netlink_request *request, const char *table, const char *name, const char *type,
                     uint32_t hook, int32_t priority);

/* Ends the batch and sends it on a socket of NETLINK_NETFILTER; -1 with errno. */
int rules_commit(struct netlink_request *request, int socket);

/* A rule is a list of expressions that fill and compare one register; the first that does not hold ends it. */
struct rule {
  struct netlink_request *request;
  size_t expressions;
};

struct rule rule_open(struct netlink_request *request, const char *table, const char *chain);
void rule_close(const struct rule *rule);

struct expression {
  size_t element;
  size_t data;
};

struct expression rule_open_expression(const struct rule *rule, const char *name);
void rule_close_expression(const struct rule *rule, struct expression expression);

void rule_load_meta(const struct rule *rule, uint32_t key);
void rule_load_payload(const struct rule *rule, uint32_t base, size_t offset, size_t size);
void rule_compare(const struct rule *rule, enum nft_cmp_ops operation, const void *value, size_t size);

/* `key` is NFT_META_IIFNAME or NFT_META_OIFNAME. */
void rule_match_interface(const struct rule *rule, uint32_t key, enum nft_cmp_ops operation, const char *name);

/* The address at `offset` in the header of IPv4: RULE_SOURCE or RULE_DESTINATION. */
void rule_match_address(const struct rule *rule, size_t offset, enum nft_cmp_ops operation, struct subnet subnet);
#define RULE_SOURCE 12
#define RULE_DESTINATION 16

/* What belongs to a connection that was let through before. */
void rule_match_answers(const struct rule *rule);

/* What belongs to a connection whose destination was changed. */
void rule_match_redirected(const struct rule *rule);

/* What is for an address of this machine. */
void rule_match_local(const struct rule *rule);

/* UDP or TCP to a port. */
void rule_match_port(const struct rule *rule, uint8_t protocol, uint16_t port);

/* Ends the rule: the connection goes there instead. In chains of type nat. */
void rule_redirect(const struct rule *rule, uint32_t address, uint16_t port);

/* Ends the rule: the connection comes from the address of the interface that it leaves by. */
void rule_masquerade(const struct rule *rule);

/* NF_ACCEPT, NF_DROP, or a verdict of nf_tables. */
void rule_decide(const struct rule *rule, uint32_t verdict);

#endif
