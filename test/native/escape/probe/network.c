#include "probe.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* One request of netlink(7), whose answer is the error of the kernel. */
struct request {
  struct nlmsghdr head;
  char body[256];
};

static void add(struct request *request, const void *data, size_t size) {
  memcpy((char *)request + request->head.nlmsg_len, data, size);
  request->head.nlmsg_len += (uint32_t)NLMSG_ALIGN(size);
}
static void add_attribute(struct request *request, uint16_t type, const void *data, size_t size) {
  struct rtattr attribute = {.rta_len = (uint16_t)(sizeof attribute + size), .rta_type = type};
  add(request, &attribute, sizeof attribute);
  add(request, data, size);
}
static struct request begin(uint16_t type, uint16_t flags, const void *family, size_t size) {
  struct request request = {.head = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type}};
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
  add(&request, family, size);
  return request;
}

static long ask(int protocol, const struct request *request) {
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
    char more[512];
  } answer;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0 || send(fd, request, request->head.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
    return -1;
  if (answer.head.nlmsg_type != NLMSG_ERROR)
    return 0;
  errno = -answer.error.error;
  return answer.error.error == 0 ? 0 : -1;
}

static long add_link(void) {
  const struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
  struct request request = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof link);
  struct {
    struct rtattr kind;
    char name[8];
  } info = {{sizeof info, IFLA_INFO_KIND}, "bridge"};
  add_attribute(&request, IFLA_IFNAME, "probe0", 7);
  add_attribute(&request, IFLA_LINKINFO, &info, sizeof info);
  return ask(NETLINK_ROUTE, &request);
}
static long take_link_down(void) {
  const struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = 1, .ifi_change = IFF_UP};
  const struct request request = begin(RTM_NEWLINK, 0, &link, sizeof link);
  return ask(NETLINK_ROUTE, &request);
}
static long add_address(void) {
  const struct ifaddrmsg family = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1};
  struct request request = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &family, sizeof family);
  const uint32_t address = htonl(0xc6336401);
  add_attribute(&request, IFA_LOCAL, &address, sizeof address);
  return ask(NETLINK_ROUTE, &request);
}
static long add_route(void) {
  const struct rtmsg route = {
      .rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_BLACKHOLE};
  struct request request = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route, sizeof route);
  const uint32_t address = htonl(0xc6336401);
  add_attribute(&request, RTA_DST, &address, sizeof address);
  return ask(NETLINK_ROUTE, &request);
}
static long add_rule(void) {
  const struct rtmsg rule = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST};
  const struct request request = begin(RTM_NEWRULE, NLM_F_CREATE, &rule, sizeof rule);
  return ask(NETLINK_ROUTE, &request);
}
/* Asked for a message that begins a batch; who may not change rules is refused there already. */
static long change_filter(void) {
  const struct nfgenmsg family = {.nfgen_family = AF_UNSPEC, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
  const struct request request = begin(NFNL_MSG_BATCH_BEGIN, 0, &family, sizeof family);
  return ask(NETLINK_NETFILTER, &request);
}
static long interface_request(unsigned long number) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
    return -1;
  if (number == SIOCSIFNAME)
    snprintf(request.ifr_newname, sizeof request.ifr_newname, "other");
  else
    request.ifr_flags |= IFF_PROMISC;
  return ioctl(fd, number, &request);
}
static long listen_to_all(void) { return interface_request(SIOCSIFFLAGS); }
static long rename_link(void) { return interface_request(SIOCSIFNAME); }
static long force_buffer(void) {
  const int size = 1 << 26;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  return fd < 0 ? -1 : setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
}
static long forward(void) { return open("/proc/sys/net/ipv4/ip_forward", O_WRONLY); }
static long join_by_name(void) { return open("/run/netns", O_RDONLY | O_DIRECTORY); }

const struct attempt network_attempts[] = {{"net-link", add_link},       {"net-down", take_link_down},
                                           {"net-address", add_address}, {"net-route", add_route},
                                           {"net-rule", add_rule},       {"net-filter", change_filter},
                                           {"net-promiscuous", listen_to_all},
                                           {"net-rename", rename_link},  {"net-buffer", force_buffer},
                                           {"net-forward", forward},     {"net-names", join_by_name},
                                           {NULL, NULL}};
