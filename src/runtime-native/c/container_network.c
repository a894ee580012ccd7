#include "container_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "stage.h"

/* The last line, as Docker has it. Only here the address is known, which is not chosen before it is needed. */
static int write_address(const struct container_spec *spec, uint32_t address, struct error *error) {
  const struct in_addr wire = {htonl(address)};
  char written[INET_ADDRSTRLEN], line[INET_ADDRSTRLEN + 80];
  inet_ntop(AF_INET, &wire, written, sizeof written);
  int size = snprintf(line, sizeof line, "%s\t%s\n", written, spec->network.hosts_name);
  if (size >= (int)sizeof line)
    return fail(error, STAGE_SPEC, 0, "etc.hosts.name: is too long");
  cleanup_fd int fd = open(spec->network.hosts_file, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || write_all(fd, line, (size_t)size) < 0)
    return fail(error, STAGE_SOURCE, errno, "%s", spec->network.hosts_file);
  return 0;
}

int container_network_open(struct container *container, int *namespace, struct error *error) {
  const struct container_spec *spec = &container->spec;
  const struct network_spec *network = &spec->network;
  uint32_t address;
  if (network->kind == NETWORK_HOST)
    return 0;
  struct net_pool *pool = container->owner->networks(container, error);
  if (pool == NULL)
    return -1;
  *namespace = net_pool_take(pool, network->kind == NETWORK_NONE ? NET_MAKE_NONE : NET_MAKE_BRIDGE, network->role,
                             &network->bridge, &address, error);
  if (*namespace < 0)
    return -1;
  return address != 0 && spec->network.hosts_name != NULL ? write_address(spec, address, error) : 0;
}
