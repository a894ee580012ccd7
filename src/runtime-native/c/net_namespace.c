#include "net_namespace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "net_filter.h"
#include "net_sysctl.h"
#include "netlink.h"
#include "stage.h"
#include "syscalls.h"
#include "userns.h"

#define OWN_NAMESPACE "/proc/self/ns/net"
/* An interface is active within a millisecond of its peer; one that is not by then is no reason to fail. */
#define SETTLE_ATTEMPTS 200
#define SETTLE_PAUSE_NS 100000
#define PROBE_ATTEMPTS 3
#define PROBE_TIMEOUT_MS 300

/* Settings must be made before there is an interface that they are for. */
static int configure(enum net_role role, bool has_bridge, struct error *error) {
  static const char *const service[][2] = {{"ipv4/ip_unprivileged_port_start", "0"},
                                           {"ipv4/ping_group_range", "0\t2147483647"}};
  /* A user namespace has not all the groups, and opens nothing of the host. */
  for (size_t i = 0; role == NET_SERVICE && userns_is_initial() && i < sizeof service / sizeof service[0]; i++) {
    if (net_sysctl_set(service[i][0], service[i][1]) < 0)
      return fail(error, STAGE_NETWORK, errno, "%s", service[i][0]);
  }
  /* The loopback is there already and keeps its ::1. */
  if (has_bridge && net_sysctl_set("ipv6/conf/default/disable_ipv6", "1") < 0 && errno != ENOENT)
    return fail(error, STAGE_NETWORK, errno, "disable_ipv6");
  return 0;
}

static int bring_up_loopback(int rt, struct error *error) {
  struct link_info loopback;
  if (link_find(rt, "lo", &loopback) < 0 || link_set_up(rt, loopback.index) < 0)
    return fail(error, STAGE_NETWORK, errno, "lo");
  return 0;
}

/*
 * The name of the port on the bridge is the lease of the address: the kernel refuses a second one of the same name, and
 * removes it with the namespace, whoever was killed.
 */
static int take_address(const struct net_host *host, int namespace, char port[IF_NAMESIZE], uint32_t *address,
                        struct error *error) {
  const uint32_t base = host->gateway.address & subnet_mask(host->gateway.prefix);
  /* Without the range's own address, the gateway and the broadcast address. */
  const uint32_t count = ~subnet_mask(host->gateway.prefix) - 2;
  uint32_t start;
  if (getrandom(&start, sizeof start, GRND_NONBLOCK) != sizeof start)
    start = (uint32_t)getpid();
  for (uint32_t i = 0; i < count; i++) {
    *address = base + 2 + (start % count + i) % count;
    const uint8_t mac[6] = {0x02, 0x42, (uint8_t)(*address >> 24), (uint8_t)(*address >> 16), (uint8_t)(*address >> 8),
                            (uint8_t)*address};
    strcpy(port, link_port_name(*address).text);
    if (link_add_pair(host->rt, port, host->bridge, namespace, mac, host->mtu) == 0)
      return 0;
    if (errno != EEXIST)
      return fail(error, STAGE_NETWORK, errno, "veth");
  }
  return fail(error, STAGE_NETWORK, 0, "no address of the bridge %s is free", host->config.bridge);
}

static void settle(int rt, const char *name) {
  struct link_info link;
  const struct timespec pause = {.tv_nsec = SETTLE_PAUSE_NS};
  for (int i = 0; i < SETTLE_ATTEMPTS && link_find(rt, name, &link) == 0 && !link.is_active; i++)
    nanosleep(&pause, NULL);
}

static int connect_to_bridge(const struct net_host *host, int namespace, int rt, enum net_role role, uint32_t *address,
                             struct error *error) {
  char port[IF_NAMESIZE];
  struct link_info link;
  if (take_address(host, namespace, port, address, error) < 0)
    return -1;
  if (role == NET_STEP && (link_find(host->rt, port, &link) < 0 || link_isolate_port(host->rt, link.index) < 0))
    return fail(error, STAGE_NETWORK, errno, "%s", port);
  if (link_find(rt, "eth0", &link) < 0 || link_set_up(rt, link.index) < 0 ||
      address_add(rt, link.index, (struct subnet){*address, host->gateway.prefix}) < 0)
    return fail(error, STAGE_NETWORK, errno, "eth0");
  if (route_add_default(rt, host->gateway.address) < 0)
    return fail(error, STAGE_NETWORK, errno, "default route");
  settle(host->rt, port);
  settle(host->rt, host->config.bridge);
  return 0;
}

static int fill(const struct net_host *host, int namespace, enum net_role role, uint32_t *address,
                struct error *error) {
  cleanup_fd int rt = netlink_open(NETLINK_ROUTE);
  if (rt < 0)
    return fail(error, STAGE_NETWORK, errno, "rtnetlink");
  if (configure(role, host != NULL, error) < 0 || bring_up_loopback(rt, error) < 0)
    return -1;
  return host == NULL ? 0 : connect_to_bridge(host, namespace, rt, role, address, error);
}

/* There is no way on without the namespace that this process belongs to: what it did next would be done elsewhere. */
static void go_back(int home) {
  if (setns(home, CLONE_NEWNET) < 0)
    _exit(1);
}

int net_namespace_make(const struct net_host *host, enum net_role role, uint32_t *address, struct error *error) {
  cleanup_fd int home = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
  *address = 0;
  if (home < 0 || unshare(CLONE_NEWNET) < 0)
    return fail(error, STAGE_NETWORK, errno, "namespace");
  cleanup_fd int made = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
  int result = made < 0 ? fail(error, STAGE_NETWORK, errno, "namespace") : fill(host, made, role, address, error);
  go_back(home);
  return result < 0 ? -1 : steal_fd(&made);
}

static int open_probe(int namespace) {
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PROBE_PORT),
                                 .sin_addr = {.s_addr = htonl(PROBE_ADDRESS)}};
  cleanup_fd int home = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
  if (home < 0 || setns(namespace, CLONE_NEWNET) < 0)
    return -1;
  cleanup_fd int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  int result = probe < 0 || setsockopt(probe, IPPROTO_IP, IP_RECVERR, &on, sizeof on) < 0
                   ? -1
                   : connect(probe, (const struct sockaddr *)&to, sizeof to);
  go_back(home);
  return result < 0 ? -1 : steal_fd(&probe);
}

int net_namespace_probe(int namespace, struct error *error) {
  cleanup_fd int probe = open_probe(namespace);
  if (probe < 0)
    return fail(error, STAGE_NETWORK, errno, "probe");
  for (int i = 0; i < PROBE_ATTEMPTS; i++) {
    struct pollfd entry = {.fd = probe, .events = POLLIN};
    char answer;
    /* "Protocol unreachable" is what our table says, and no route is no filter; refusals of others look different. */
    if ((send(probe, "", 1, 0) < 0 || (poll(&entry, 1, PROBE_TIMEOUT_MS) > 0 && recv(probe, &answer, 1, 0) < 0)) &&
        (errno == ENOPROTOOPT || errno == ENETUNREACH))
      return 0;
  }
  return fail(error, STAGE_NETWORK, 0, "a packet filter of this machine drops what comes from the bridge");
}
