/* Answers about routes, written here as the kernel writes them (rtnetlink(7)), and read: nothing is lost, nothing is made up. */
#include "netlink.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "check.h"
#include "net_survey.h"

#define ROUNDS 4000
#define ROUTES_MAX 40

/* What is sent for the exchange to come; netlink.c counts them from 1. */
static uint32_t number = 1;
static _Alignas(NLMSG_ALIGNTO) uint8_t answer[16384];
static size_t answer_size;

struct routes {
  struct route items[ROUTES_MAX * 4];
  size_t count;
};

static void *extend(size_t size) {
  void *room = answer + answer_size;
  EXPECT(answer_size + NLMSG_ALIGN(size) <= sizeof answer, "%zu bytes", answer_size);
  memset(room, 0, NLMSG_ALIGN(size));
  answer_size += NLMSG_ALIGN(size);
  return room;
}

static void put(uint16_t type, const void *value, size_t size) {
  struct rtattr *attribute = extend(RTA_LENGTH(size));
  *attribute = (struct rtattr){.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type};
  memcpy(RTA_DATA(attribute), value, size);
}

static struct nlmsghdr *begin(uint16_t type) {
  struct nlmsghdr *message = extend(sizeof *message);
  *message = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = NLM_F_MULTI, .nlmsg_seq = number};
  return message;
}

static void end(struct nlmsghdr *message) {
  message->nlmsg_len = (uint32_t)(answer + answer_size - (uint8_t *)message);
}

/* A route as it should be told, for each of its ways once. */
static void expect_route(struct routes *routes, struct route route, uint32_t interface) {
  route.interface = interface;
  routes->items[routes->count++] = route;
}

static void put_ways(struct routes *expected, const struct route *route, bool counts) {
  uint8_t ways[4 * RTNH_ALIGN(sizeof(struct rtnexthop) + 8)] = {0};
  size_t size = 0;
  for (uint32_t left = 1 + draw(3); left > 0; left--) {
    /* Some with an attribute of their own behind the head. */
    struct rtnexthop hop = {.rtnh_len = (uint16_t)(sizeof hop + draw(2) * 8), .rtnh_ifindex = 1 + (int)draw(9)};
    memcpy(ways + size, &hop, sizeof hop);
    size += RTNH_ALIGN(hop.rtnh_len);
    if (counts)
      expect_route(expected, *route, (uint32_t)hop.rtnh_ifindex);
  }
  put(RTA_MULTIPATH, ways, size);
}

static void put_route(struct routes *expected) {
  const uint8_t prefix = (uint8_t)draw(33), type = draw(3) == 0 ? RTN_BLACKHOLE : RTN_UNICAST;
  struct route route = {.to = {.address = prefix == 0 ? 0 : draw(UINT32_MAX) & subnet_mask(prefix), .prefix = prefix},
                        .is_unicast = type == RTN_UNICAST};
  const bool is_other = draw(6) == 0, is_foreign = draw(6) == 0;
  struct nlmsghdr *message = begin(is_other ? RTM_NEWADDR : RTM_NEWROUTE);
  if (is_foreign)
    message->nlmsg_seq = number + 1;
  const bool is_v6 = draw(6) == 0, counts = !is_other && !is_foreign && !is_v6;
  struct rtmsg *head = extend(sizeof *head);
  *head = (struct rtmsg){.rtm_family = is_v6 ? AF_INET6 : AF_INET, .rtm_dst_len = prefix, .rtm_type = type};
  const uint32_t wire = htonl(route.to.address), other = draw(UINT32_MAX), interface = draw(9);
  if (draw(2) == 0)
    put(RTA_TABLE, &other, sizeof other);
  if (prefix != 0)
    put(RTA_DST, &wire, sizeof wire);
  if (draw(3) == 0) {
    put_ways(expected, &route, counts);
  } else {
    if (interface != 0)
      put(RTA_OIF, &interface, sizeof interface);
    if (counts)
      expect_route(expected, route, interface);
  }
  end(message);
}

static void add_route(void *context, const struct route *route) {
  struct routes *routes = context;
  EXPECT(routes->count < COUNT(routes->items), "too many routes");
  routes->items[routes->count++] = *route;
}

/* Sends the answer in one datagram and the end in another, as the kernel does with a dump. */
static int answered(int *other) {
  const struct nlmsghdr done = {.nlmsg_len = sizeof done, .nlmsg_type = NLMSG_DONE, .nlmsg_seq = number};
  int ends[2];
  EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0, "errno %d", errno);
  EXPECT(send(ends[1], answer, answer_size, 0) == (ssize_t)answer_size, "errno %d", errno);
  EXPECT(send(ends[1], &done, sizeof done, 0) == sizeof done, "errno %d", errno);
  *other = ends[1];
  number++;
  return ends[0];
}

static void check_routes(bool broken) {
  static struct routes expected, got;
  int other;
  expected.count = got.count = answer_size = 0;
  for (uint32_t left = draw(ROUTES_MAX); left > 0; left--)
    put_route(&expected);
  if (broken)
    mutate(answer, &answer_size);
  int fd = answered(&other), status = route_list(fd, add_route, &got);
  close(fd);
  close(other);
  if (broken) {
    for (size_t i = 0; i < got.count; i++)
      EXPECT(got.items[i].to.prefix <= 32, "prefix %u", got.items[i].to.prefix);
    return;
  }
  EXPECT(status == 0 && got.count == expected.count, "%zu routes of %zu", got.count, expected.count);
  for (size_t i = 0; i < got.count; i++) {
    const struct route *a = &got.items[i], *b = &expected.items[i];
    EXPECT(a->to.address == b->to.address && a->to.prefix == b->to.prefix && a->interface == b->interface &&
               a->is_unicast == b->is_unicast, "route %zu", i);
  }
}

/* The chosen range is one that no route touches, by a comparison of first and last addresses. */
static void check_choice(void) {
  static struct routes expected;
  struct net_survey survey;
  int other;
  expected.count = answer_size = 0;
  for (uint32_t left = draw(ROUTES_MAX); left > 0; left--)
    put_route(&expected);
  int fd = answered(&other);
  EXPECT(net_survey_take(fd, (struct subnet){0}, 3, &survey) == 0, "errno %d", errno);
  close(fd);
  close(other);
  const struct subnet chosen = net_survey_choose(&survey);
  const uint32_t first = chosen.address, last = first | ~subnet_mask(chosen.prefix);
  for (size_t i = 0; i < expected.count && chosen.prefix != 0; i++) {
    const struct route *route = &expected.items[i];
    const uint32_t to = route->to.address, end_of = to | ~subnet_mask(route->to.prefix);
    EXPECT(route->to.prefix == 0 || route->interface == 3 || end_of < first || to > last, "%x/%u is taken", first, chosen.prefix);
  }
}

/* The verdict of the kernel, and a message that is too short to have one. */
static void check_errors(void) {
  int other;
  for (int code = 0; code < 40; code++) {
    const int verdict = -code;
    answer_size = 0;
    struct nlmsghdr *message = begin(NLMSG_ERROR);
    if (code != 39)
      memcpy(extend(sizeof verdict), &verdict, sizeof verdict);
    end(message);
    struct netlink_request request = {.size = 0};
    netlink_begin(&request, RTM_NEWROUTE, NLM_F_ACK, NULL, 0);
    int fd = answered(&other), status = netlink_exchange(fd, &request, NULL, NULL);
    EXPECT(status == (code == 0 ? 0 : -1) && (code == 0 || errno == (code == 39 ? EPROTO : code)), "code %d", code);
    close(fd);
    close(other);
  }
}

/* What a request is made of is found in it; one that does not fit is not sent. */
static void check_requests(void) {
  for (unsigned round = 0; round < 500; round++) {
    struct netlink_request request = {.size = 0};
    const struct rtmsg head = {.rtm_family = AF_INET};
    uint8_t values[32][40];
    size_t sizes[32], count = draw(33);
    netlink_begin(&request, RTM_NEWROUTE, 0, &head, sizeof head);
    for (size_t i = 0; i < count; i++) {
      sizes[i] = draw(41);
      for (size_t at = 0; at < sizes[i]; at++)
        values[i][at] = (uint8_t)draw(256);
      netlink_put(&request, (uint16_t)(100 + i), values[i], sizes[i]);
    }
    const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)request.bytes;
    EXPECT(message->nlmsg_len == request.size && netlink_head(message, RTM_NEWROUTE, sizeof head) != NULL, "%zu", request.size);
    EXPECT(netlink_head(message, RTM_NEWADDR, sizeof head) == NULL, "another type");
    for (size_t i = 0; i < count; i++) {
      const void *found = netlink_find(message, sizeof head, (uint16_t)(100 + i), sizes[i]);
      EXPECT(found != NULL && memcmp(found, values[i], sizes[i]) == 0, "attribute %zu", i);
      EXPECT(netlink_find(message, sizeof head, (uint16_t)(100 + i), sizes[i] + 1) == NULL, "more than there is");
    }
    EXPECT(netlink_find(message, sizeof head, 99, 0) == NULL, "an attribute that is not there");
  }
  struct netlink_request request = {.size = 0};
  netlink_begin(&request, RTM_NEWROUTE, 0, NULL, 0);
  for (unsigned i = 0; i < 2000; i++)
    netlink_put_u32(&request, 1, i);
  EXPECT(request.overflows && request.size <= sizeof request.bytes, "%zu bytes", request.size);
  EXPECT(netlink_exchange(-1, &request, NULL, NULL) < 0 && errno == EMSGSIZE, "errno %d", errno);
  number++;
}

int main(void) {
  check_errors();
  check_requests();
  for (unsigned round = 0; round < ROUNDS; round++) {
    check_routes(false);
    check_routes(true);
    check_choice();
  }
  printf("netlink: %d answers\n", 3 * ROUNDS);
  return 0;
}
