/* Answers of the kernel to questions about routes and interfaces (netlink.c, net_link.c, net_survey.c). */
#include "netlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "net_survey.h"

/* Of the exchange to come: netlink.c counts them. */
static uint32_t number = 1;

/* A message of another number is passed over, and few would have the right one by chance. */
static void number_messages(uint8_t *data, size_t size) {
  size_t at = 0;
  while (at + sizeof(struct nlmsghdr) <= size) {
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)(data + at);
    if (message->nlmsg_seq != UINT32_MAX)
      message->nlmsg_seq = number;
    if (message->nlmsg_len < sizeof *message)
      return;
    if (message->nlmsg_len > size)
      return;
    at += NLMSG_ALIGN(message->nlmsg_len);
  }
}

/* A socket from which the input comes as one answer, and then the end of all. */
static int answer(const uint8_t *data, size_t size, int *other) {
  const struct nlmsghdr done = {.nlmsg_len = sizeof done, .nlmsg_type = NLMSG_DONE, .nlmsg_seq = number};
  int ends[2];
  uint8_t *copy = exact_copy(data, size);
  number_messages(copy, size);
  EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0, "errno %d", errno);
  EXPECT(send(ends[1], copy, size, 0) == (ssize_t)size && send(ends[1], &done, sizeof done, 0) == sizeof done, "errno %d", errno);
  free(copy);
  *other = ends[1];
  number++;
  return ends[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct net_survey survey;
  struct link_info info;
  int other;
  if (size > 32768)
    return 0;
  int fd = answer(data, size, &other);
  const struct subnet wanted = {.address = 0x0a010000, .prefix = size % 2 == 0 ? 0 : 16};
  if (net_survey_take(fd, wanted, 7, &survey) == 0) {
    const struct subnet chosen = net_survey_choose(&survey);
    EXPECT(survey.interface_count <= SURVEY_INTERFACES_MAX && chosen.prefix <= 24, "prefix %u", chosen.prefix);
    for (size_t i = 0; i < survey.interface_count; i++)
      EXPECT(survey.interfaces[i] != 0 && survey.interfaces[i] != 7, "interface %u", survey.interfaces[i]);
  }
  close(fd);
  close(other);
  fd = answer(data, size, &other);
  (void)!link_find(fd, "tsbuild0", &info);
  close(fd);
  close(other);
  return 0;
}
