#include "net_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "net_filter.h"
#include "net_survey.h"
#include "net_sysctl.h"
#include "netlink.h"
#include "stage.h"

/* Ethernet's, where there is no way out whose own could be taken. */
#define MTU_DEFAULT 1500

int net_host_open(struct net_host *host, struct net_uplink *uplink, struct error *error) {
  *host = (struct net_host){.state = NET_STATE_CLOSED, .uplink = uplink, .rt = -1};
  if (uplink == NULL && net_state_open(&host->state, error) < 0)
    return -1;
  host->rt = netlink_open(NETLINK_ROUTE);
  return host->rt < 0 ? fail(error, STAGE_NETWORK, errno, "rtnetlink") : 0;
}

/* 0 when nothing is left of what the journal tells; what cannot be undone now stays written down. */
static int undo(struct net_host *host, const struct net_journal *journal) {
  struct link_info bridge;
  if (link_find(host->rt, journal->bridge, &bridge) < 0)
    return -1;
  if (bridge.index != 0 && (link_delete_ports(host->rt, bridge.index) < 0 ||
                            (link_delete(host->rt, journal->bridge) < 0 && errno != ENODEV)))
    return -1;
  /* Where the whole host forwards by now, somebody else has decided that and counts on it. */
  const bool all_forward = net_sysctl_is_on("all", "forwarding");
  for (size_t i = 0; i < journal->forwarding_count && !all_forward; i++) {
    if (net_sysctl_switch(journal->forwarding[i], "forwarding", false) < 0 && errno != ENOENT)
      return -1;
  }
  return filter_remove();
}

static uint32_t mtu_of(int rt, uint32_t index) {
  char name[IF_NAMESIZE];
  struct link_info info;
  if (index == 0 || if_indextoname(index, name) == NULL || link_find(rt, name, &info) < 0 || info.mtu == 0)
    return MTU_DEFAULT;
  return info.mtu;
}

/*
 * Forwarding is a matter of the interface where a packet comes in: the bridge, and for answers those with routes. They are
 * switched on one by one and not with `ip_forward`, which would make a router of the whole host.
 */
static int forward(struct net_host *host, const struct net_survey *survey, struct net_journal *journal,
                   struct error *error) {
  if (net_sysctl_switch(journal->bridge, "forwarding", true) < 0)
    return fail(error, STAGE_NETWORK, errno, "forwarding of %s", journal->bridge);
  if (net_sysctl_is_on("all", "forwarding"))
    return 0;
  for (size_t i = 0; i < survey->interface_count; i++) {
    char name[IF_NAMESIZE];
    if (if_indextoname(survey->interfaces[i], name) == NULL || strcmp(name, "lo") == 0 ||
        net_sysctl_is_on(name, "forwarding") || journal->forwarding_count >= FORWARDING_MAX)
      continue;
    strcpy(journal->forwarding[journal->forwarding_count++], name);
    if (net_state_write(&host->state, journal, error) < 0)
      return -1;
    if (net_sysctl_switch(name, "forwarding", true) < 0)
      return fail(error, STAGE_NETWORK, errno, "forwarding of %s", name);
  }
  return 0;
}

static int make_bridge(struct net_host *host, const struct net_journal *journal, struct error *error) {
  const uint32_t address = journal->gateway.address;
  const uint8_t mac[6] = {0x02, 0x42, (uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8),
                          (uint8_t)address};
  char setting[64];
  struct link_info bridge;
  if (link_add_bridge(host->rt, journal->bridge, mac, host->mtu) < 0 && errno != EEXIST)
    return fail(error, STAGE_NETWORK, errno, "bridge %s", journal->bridge);
  if (link_find(host->rt, journal->bridge, &bridge) < 0 || bridge.index == 0)
    return fail(error, STAGE_NETWORK, errno, "bridge %s", journal->bridge);
  host->bridge = bridge.index;
  /* The network is one of IPv4; a kernel without IPv6 has no such setting. */
  snprintf(setting, sizeof setting, "ipv6/conf/%s/disable_ipv6", journal->bridge);
  if (net_sysctl_set(setting, "1") < 0 && errno != ENOENT)
    return fail(error, STAGE_NETWORK, errno, "%s", setting);
  if (address_add(host->rt, bridge.index, journal->gateway) < 0 && errno != EEXIST)
    return fail(error, STAGE_NETWORK, errno, "address of %s", journal->bridge);
  return 0;
}

/* Makes what is missing of what the journal tells, and of the table all, in one step. */
static int make(struct net_host *host, struct net_journal *journal, struct error *error) {
  struct link_info bridge;
  struct net_survey survey;
  if (link_find(host->rt, journal->bridge, &bridge) < 0 ||
      net_survey_take(host->rt, (struct subnet){0}, bridge.index, &survey) < 0)
    return fail(error, STAGE_NETWORK, errno, "routes");
  host->mtu = mtu_of(host->rt, survey.way_out);
  host->gateway = journal->gateway;
  if (make_bridge(host, journal, error) < 0 || forward(host, &survey, journal, error) < 0)
    return -1;
  const struct filter filter = {.bridge = journal->bridge,
                                .subnet = journal->gateway,
                                .forwarding = (const char(*)[IF_NAMESIZE])journal->forwarding,
                                .forwarding_count = journal->forwarding_count};
  return filter_set(&filter) < 0 ? fail(error, STAGE_NETWORK, errno, "nf_tables") : 0;
}

/* Writes down what is about to be made. */
static int plan(struct net_host *host, const struct net_config *config, struct net_journal *journal,
                struct error *error) {
  struct link_info bridge;
  struct net_survey survey;
  const int host_rt = host->uplink == NULL ? host->rt : host->uplink->host_rt;
  if (link_find(host->rt, config->bridge, &bridge) < 0 || net_survey_take(host_rt, config->subnet, 0, &survey) < 0)
    return fail(error, STAGE_NETWORK, errno, "routes");
  if (bridge.index != 0)
    return fail(error, STAGE_NETWORK, 0, "there is an interface %s that is not tsbuild's", config->bridge);
  const struct subnet subnet = net_survey_choose(&survey);
  if (subnet.prefix == 0)
    return fail(error, STAGE_NETWORK, 0,
                config->subnet.prefix == 0 ? "no range of addresses is free" : "the range of addresses is in use");
  if (host->uplink != NULL && net_uplink_connect(host->uplink, net_survey_choose_link(&survey, subnet), error) < 0)
    return -1;
  *journal = (struct net_journal){.gateway = {.address = subnet.address + 1, .prefix = subnet.prefix}};
  strcpy(journal->bridge, config->bridge);
  return net_state_write(&host->state, journal, error);
}

static bool is_wanted(const struct net_journal *journal, const struct net_config *config) {
  const uint32_t mask = subnet_mask(journal->gateway.prefix);
  return strcmp(journal->bridge, config->bridge) == 0 &&
         (config->subnet.prefix == 0 || (config->subnet.prefix == journal->gateway.prefix &&
                                         config->subnet.address == (journal->gateway.address & mask)));
}

static int join(struct net_host *host, const struct net_config *config, struct error *error) {
  struct net_journal journal;
  const bool alone = net_state_is_alone(&host->state);
  int found = net_state_read(&host->state, &journal, error);
  if (found < 0)
    return -1;
  /* Left by users that were killed. */
  if (alone && found > 0 && undo(host, &journal) < 0)
    return fail(error, STAGE_NETWORK, errno, "the rest of an earlier network");
  if ((alone || found == 0) && plan(host, config, &journal, error) < 0)
    return -1;
  if (!is_wanted(&journal, config))
    return fail(error, STAGE_NETWORK, 0, "another tsbuild uses the bridge %s with other settings", journal.bridge);
  return make(host, &journal, error);
}

/* Under the lock. */
static void leave(struct net_host *host) {
  struct net_journal journal;
  struct error ignored;
  if (!net_state_is_alone(&host->state))
    return;
  int found = net_state_read(&host->state, &journal, &ignored);
  if (found == 0 || (found > 0 && undo(host, &journal) == 0))
    net_state_remove(&host->state);
}

/* By its parts: what is between them may differ. */
static bool is_same_network(const struct net_config *a, const struct net_config *b) {
  return strcmp(a->bridge, b->bridge) == 0 && a->subnet.address == b->subnet.address &&
         a->subnet.prefix == b->subnet.prefix;
}

int net_host_join(struct net_host *host, const struct net_config *config, struct error *error) {
  if (host->is_joined) {
    if (is_same_network(&host->config, config))
      return 0;
    return fail(error, STAGE_NETWORK, 0, "the bridge is %s already", host->config.bridge);
  }
  if (net_state_lock(&host->state, error) < 0)
    return -1;
  host->is_joined = join(host, config, error) == 0 && net_state_join(&host->state, error) == 0;
  if (host->is_joined)
    host->config = *config;
  else
    leave(host);
  net_state_unlock(&host->state);
  return host->is_joined ? 0 : -1;
}

void net_host_leave(struct net_host *host) {
  struct error ignored;
  const bool concerns_us = host->is_joined || net_state_is_used(&host->state);
  if (concerns_us && host->rt >= 0 && net_state_lock(&host->state, &ignored) == 0) {
    leave(host);
    net_state_unlock(&host->state);
  }
  host->is_joined = false;
  net_state_close(&host->state);
  cleanup_fd_at(&host->rt);
}
