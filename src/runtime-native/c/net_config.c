#include "net_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

/* Room for the bridge and some containers; and no more than what can be a private range. */
#define PREFIX_MIN 8
#define PREFIX_MAX 28

bool subnet_parse(const char *text, struct subnet *subnet) {
  char address[INET_ADDRSTRLEN];
  const char *slash = strchr(text, '/');
  struct in_addr wire;
  if (slash == NULL || (size_t)(slash - text) >= sizeof address)
    return false;
  snprintf(address, sizeof address, "%.*s", (int)(slash - text), text);
  const size_t digits = strspn(slash + 1, "0123456789");
  if (inet_pton(AF_INET, address, &wire) != 1 || digits == 0 || digits > 2 || slash[1 + digits] != '\0')
    return false;
  const long prefix = strtol(slash + 1, NULL, 10);
  if (prefix > 32)
    return false;
  *subnet = (struct subnet){.address = ntohl(wire.s_addr), .prefix = (uint8_t)prefix};
  return true;
}

/* As the kernel's dev_valid_name, and without what a shell or a rule would read as something else. */
static bool is_interface_name(const char *name, size_t length) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  return length > 0 && length < IF_NAMESIZE && strspn(name, allowed) >= length && name[0] != '.' && name[0] != '-';
}

static bool is_private(struct subnet subnet) {
  static const struct subnet ranges[] = {
      {0x0a000000, 8}, {0xac100000, 12}, {0xc0a80000, 16}, {0x64400000, 10} /* RFC 6598 */};
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    if (subnet.prefix >= ranges[i].prefix && subnet_overlaps(subnet, ranges[i]))
      return true;
  }
  return false;
}

int net_config_parse(const char *text, struct net_config *config, struct error *error) {
  const size_t length = strcspn(text, " ");
  *config = (struct net_config){0};
  if (!is_interface_name(text, length))
    return fail(error, STAGE_SPEC, 0, "\"%.*s\" cannot be the name of a bridge", (int)(length < 64 ? length : 64), text);
  memcpy(config->bridge, text, length);
  if (text[length] == '\0')
    return 0;
  const char *written = text + length + 1;
  if (!subnet_parse(written, &config->subnet) || !is_private(config->subnet) || config->subnet.prefix < PREFIX_MIN ||
      config->subnet.prefix > PREFIX_MAX || (config->subnet.address & ~subnet_mask(config->subnet.prefix)) != 0)
    return fail(error, STAGE_SPEC, 0, "\"%.64s\" is no private range of addresses for a bridge", written);
  return 0;
}
