#include "net_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

static int acknowledge(int rt, struct netlink_request *request) { return netlink_exchange(rt, request, NULL, NULL); }

static void read_link(void *context, const struct nlmsghdr *message) {
  struct link_info *info = context;
  const struct ifinfomsg *head = netlink_head(message, RTM_NEWLINK, sizeof *head);
  if (head == NULL)
    return;
  const uint32_t *mtu = netlink_find(message, sizeof *head, IFLA_MTU, sizeof *mtu);
  const char *queue = netlink_find(message, sizeof *head, IFLA_QDISC, sizeof "noop");
  info->index = (uint32_t)head->ifi_index;
  info->mtu = mtu == NULL ? 0 : *mtu;
  info->is_active = queue != NULL && strncmp(queue, "noop", sizeof "noop") != 0;
}

int link_find(int rt, const char *name, struct link_info *info) {
  const struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
  struct netlink_request request = {.size = 0};
  *info = (struct link_info){0};
  netlink_begin(&request, RTM_GETLINK, NLM_F_ACK, &head, sizeof head);
  netlink_put_string(&request, IFLA_IFNAME, name);
  return netlink_exchange(rt, &request, read_link, info) < 0 && errno != ENODEV ? -1 : 0;
}

int link_add_bridge(int rt, const char *name, const uint8_t mac[6], uint32_t mtu) {
  const struct ifinfomsg head = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &head, sizeof head);
  netlink_put_string(&request, IFLA_IFNAME, name);
  netlink_put(&request, IFLA_ADDRESS, mac, 6);
  netlink_put_u32(&request, IFLA_MTU, mtu);
  size_t info = netlink_open_nest(&request, IFLA_LINKINFO);
  netlink_put_string(&request, IFLA_INFO_KIND, "bridge");
  netlink_close_nest(&request, info);
  return acknowledge(rt, &request);
}

int link_add_pair(int rt, const char *name, uint32_t bridge, int namespace, const uint8_t mac[6], uint32_t mtu) {
  const struct ifinfomsg head = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, peer_head = {.ifi_flags = 0};
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &head, sizeof head);
  netlink_put_string(&request, IFLA_IFNAME, name);
  netlink_put_u32(&request, IFLA_MTU, mtu);
  netlink_put_u32(&request, IFLA_MASTER, bridge);
  size_t info = netlink_open_nest(&request, IFLA_LINKINFO);
  netlink_put_string(&request, IFLA_INFO_KIND, "veth");
  size_t data = netlink_open_nest(&request, IFLA_INFO_DATA);
  size_t peer = netlink_open_nest(&request, VETH_INFO_PEER);
  netlink_put_raw(&request, &peer_head, sizeof peer_head);
  netlink_put_string(&request, IFLA_IFNAME, "eth0");
  netlink_put(&request, IFLA_ADDRESS, mac, 6);
  netlink_put_u32(&request, IFLA_MTU, mtu);
  netlink_put_u32(&request, IFLA_NET_NS_FD, (uint32_t)namespace);
  netlink_close_nest(&request, peer);
  netlink_close_nest(&request, data);
  netlink_close_nest(&request, info);
  return acknowledge(rt, &request);
}

static int set_port(int rt, uint32_t index, uint16_t setting) {
  const struct ifinfomsg head = {.ifi_family = AF_BRIDGE, .ifi_index = (int)index};
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_SETLINK, NLM_F_ACK, &head, sizeof head);
  size_t port = netlink_open_nest(&request, IFLA_PROTINFO);
  netlink_put_u8(&request, setting, 1);
  netlink_close_nest(&request, port);
  return acknowledge(rt, &request);
}

int link_isolate_port(int rt, uint32_t index) { return set_port(rt, index, IFLA_BRPORT_ISOLATED); }
int link_reflect_port(int rt, uint32_t index) { return set_port(rt, index, IFLA_BRPORT_MODE); }

struct link_name link_port_name(uint32_t address) {
  struct link_name name;
  snprintf(name.text, sizeof name.text, "tsb%08x", address);
  return name;
}

int link_set_up(int rt, uint32_t index) {
  const struct ifinfomsg head = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_NEWLINK, NLM_F_ACK, &head, sizeof head);
  return acknowledge(rt, &request);
}

static int delete_link(int rt, const char *name, uint32_t index) {
  const struct ifinfomsg head = {.ifi_index = (int)index};
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_DELLINK, NLM_F_ACK, &head, sizeof head);
  if (name != NULL)
    netlink_put_string(&request, IFLA_IFNAME, name);
  return acknowledge(rt, &request);
}

int link_delete(int rt, const char *name) { return delete_link(rt, name, 0); }

/* As many at a time as are found before one is deleted; the socket has no room for both. */
struct port_search {
  uint32_t bridge;
  uint32_t found[64];
  size_t count;
};

static void add_port(void *context, const struct nlmsghdr *message) {
  struct port_search *search = context;
  const struct ifinfomsg *head = netlink_head(message, RTM_NEWLINK, sizeof *head);
  const uint32_t *master = head == NULL ? NULL : netlink_find(message, sizeof *head, IFLA_MASTER, sizeof *master);
  if (master != NULL && *master == search->bridge &&
      search->count < sizeof search->found / sizeof search->found[0])
    search->found[search->count++] = (uint32_t)head->ifi_index;
}

int link_delete_ports(int rt, uint32_t bridge) {
  struct port_search search;
  do {
    const struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
    struct netlink_request request = {.size = 0};
    search = (struct port_search){.bridge = bridge};
    netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, &head, sizeof head);
    netlink_put_u32(&request, IFLA_MASTER, bridge);
    if (netlink_exchange(rt, &request, add_port, &search) < 0)
      return -1;
    /* One may vanish by itself meanwhile, when the kernel is done with its namespace. */
    for (size_t i = 0; i < search.count; i++) {
      if (delete_link(rt, NULL, search.found[i]) < 0 && errno != ENODEV)
        return -1;
    }
  } while (search.count > 0);
  return 0;
}

int address_add(int rt, uint32_t index, struct subnet address) {
  const struct ifaddrmsg head = {
      .ifa_family = AF_INET, .ifa_prefixlen = address.prefix, .ifa_scope = RT_SCOPE_UNIVERSE, .ifa_index = index};
  const uint32_t broadcast = htonl(address.address | ~subnet_mask(address.prefix));
  const uint32_t wire = htonl(address.address);
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &head, sizeof head);
  netlink_put(&request, IFA_LOCAL, &wire, sizeof wire);
  netlink_put(&request, IFA_ADDRESS, &wire, sizeof wire);
  netlink_put(&request, IFA_BROADCAST, &broadcast, sizeof broadcast);
  return acknowledge(rt, &request);
}

int route_add_default(int rt, uint32_t gateway) {
  const struct rtmsg head = {.rtm_family = AF_INET,
                             .rtm_table = RT_TABLE_MAIN,
                             .rtm_protocol = RTPROT_BOOT,
                             .rtm_scope = RT_SCOPE_UNIVERSE,
                             .rtm_type = RTN_UNICAST};
  const uint32_t wire = htonl(gateway);
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_ACK, &head, sizeof head);
  netlink_put(&request, RTA_GATEWAY, &wire, sizeof wire);
  return acknowledge(rt, &request);
}

struct route_listing {
  void (*on_route)(void *context, const struct route *route);
  void *context;
};

/* A route with several ways is told as one for each. */
static void read_hops(const struct route_listing *listing, struct route route, const void *hops) {
  int left = ((const struct rtattr *)hops - 1)->rta_len - (int)RTA_LENGTH(0);
  const struct rtnexthop *hop = hops;
  /* RTNH_OK reads the length of a hop before it asks whether there is one. */
  for (; left >= (int)sizeof *hop && RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
    route.interface = (uint32_t)hop->rtnh_ifindex;
    listing->on_route(listing->context, &route);
  }
}

static void read_route(void *context, const struct nlmsghdr *message) {
  const struct route_listing *listing = context;
  const struct rtmsg *head = netlink_head(message, RTM_NEWROUTE, sizeof *head);
  if (head == NULL || head->rtm_family != AF_INET || head->rtm_dst_len > 32)
    return;
  const uint32_t *to = netlink_find(message, sizeof *head, RTA_DST, sizeof *to);
  const uint32_t *interface = netlink_find(message, sizeof *head, RTA_OIF, sizeof *interface);
  const struct route route = {.to = {.address = to == NULL ? 0 : ntohl(*to), .prefix = head->rtm_dst_len},
                              .interface = interface == NULL ? 0 : *interface,
                              .is_unicast = head->rtm_type == RTN_UNICAST};
  const void *hops = netlink_find(message, sizeof *head, RTA_MULTIPATH, sizeof(struct rtnexthop));
  if (hops == NULL)
    listing->on_route(listing->context, &route);
  else
    read_hops(listing, route, hops);
}

int route_list(int rt, void (*on_route)(void *context, const struct route *route), void *context) {
  const struct rtmsg head = {.rtm_family = AF_INET};
  struct route_listing listing = {.on_route = on_route, .context = context};
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_GETROUTE, NLM_F_DUMP, &head, sizeof head);
  return netlink_exchange(rt, &request, read_route, &listing);
}
