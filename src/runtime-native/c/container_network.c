#include "container_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "net_ports.h"
#include "oci_state.h"
#include "stage.h"
#include "userns.h"

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

/* Opened before the process is looked at: then it cannot have become another one's in between. */
static int open_network_of(const struct network_spec *network, struct error *error) {
  char path[32];
  /* It belongs to the user namespace of another tsbuild, which this one has no rights in. */
  if (!userns_is_initial())
    return fail(error, STAGE_NETWORK, 0, "networks are shared by root alone");
  snprintf(path, sizeof path, "/proc/%d/ns/net", (int)network->process);
  cleanup_fd int namespace = open(path, O_RDONLY | O_CLOEXEC);
  if (namespace < 0 && errno != ENOENT && errno != ESRCH)
    return fail(error, STAGE_NETWORK, errno, "%s", path);
  if (namespace < 0 || oci_start_time(network->process) != network->process_start)
    return fail(error, STAGE_NETWORK, 0, "the container that it is to share has ended");
  return steal_fd(&namespace);
}

int container_network_open(struct container *container, int *namespace, struct error *error) {
  const struct container_spec *spec = &container->spec;
  const struct network_spec *network = &spec->network;
  struct subnet own;
  if (network->kind == NETWORK_HOST)
    return 0;
  if (network->kind == NETWORK_PROCESS)
    return (*namespace = open_network_of(network, error)) < 0 ? -1 : 0;
  struct net_pool *pool = container->owner->networks(container, error);
  if (pool == NULL)
    return -1;
  *namespace = net_pool_take(pool, network->kind == NETWORK_NONE ? NET_MAKE_NONE : NET_MAKE_BRIDGE, network->role,
                             &network->bridge, &own, error);
  if (*namespace < 0)
    return -1;
  if (own.address != 0 && network->hosts_name != NULL && write_address(spec, own.address, error) < 0)
    return -1;
  if (network->port_count == 0)
    return 0;
  if (!userns_is_initial())
    return fail(error, STAGE_NETWORK, 0, "ports are published by root alone");
  container->ports = net_ports_publish(network->ports, network->port_count, network->bridge.bridge, own, error);
  return container->ports < 0 ? -1 : 0;
}
