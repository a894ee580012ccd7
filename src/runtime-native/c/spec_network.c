#include "spec_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "stage.h"

#define PORTS_MAX 4096

int spec_read_network(struct parser *parser, enum network_kind *out) {
  static const char *const words[] = {[NETWORK_HOST] = "host", [NETWORK_NONE] = "none", [NETWORK_BRIDGE] = "bridge",
                                      [NETWORK_PROCESS] = "process"};
  unsigned kind;
  if (spec_read_word(parser, words, sizeof words / sizeof words[0], &kind) < 0)
    return -1;
  *out = (enum network_kind)kind;
  return 0;
}

int spec_read_network_role(struct parser *parser, enum net_role *out) {
  bool is_service;
  if (spec_read_choice(parser, "step", "service", &is_service) < 0)
    return -1;
  *out = is_service ? NET_SERVICE : NET_STEP;
  return 0;
}

int spec_read_network_process(struct parser *parser, struct network_spec *network) {
  int pid, end = 0;
  if (spec_read_string(parser, &(const char *){NULL}) < 0)
    return -1;
  const char *text = parser->record->value;
  if (sscanf(text, "%9d %" SCNu64 "%n", &pid, &network->process_start, &end) != 2 || text[end] != '\0' || pid <= 0 ||
      network->process_start == 0)
    return spec_reject(parser, "is no process and its start");
  network->process = pid;
  return 0;
}

static bool parse_port(const char *text, struct published_port *port) {
  char protocol[4], address[INET_ADDRSTRLEN];
  unsigned host, container;
  struct in_addr wire;
  int end = 0;
  if (sscanf(text, "%3[a-z] %15[0-9.] %5u %5u%n", protocol, address, &host, &container, &end) != 4 || text[end] != '\0' ||
      inet_pton(AF_INET, address, &wire) != 1 || host - 1 >= UINT16_MAX || container - 1 >= UINT16_MAX)
    return false;
  const bool is_udp = strcmp(protocol, "udp") == 0;
  *port = (struct published_port){is_udp ? IPPROTO_UDP : IPPROTO_TCP, ntohl(wire.s_addr), (uint16_t)host,
                                  (uint16_t)container};
  return is_udp || strcmp(protocol, "tcp") == 0;
}

int spec_append_port(struct parser *parser, struct network_spec *network) {
  if (network->ports == NULL &&
      (network->ports = spec_allocate(parser->spec, PORTS_MAX * sizeof *network->ports)) == NULL)
    return fail(parser->error, STAGE_SPEC, ENOMEM, "memory");
  if (network->port_count >= PORTS_MAX)
    return spec_reject(parser, "appears too often");
  if (parser->record->value_size != strlen(parser->record->value) ||
      !parse_port(parser->record->value, &network->ports[network->port_count]))
    return spec_reject(parser, "is no published port");
  network->port_count++;
  return 0;
}

int spec_read_bridge(struct parser *parser, struct net_config *out) {
  const char *text = NULL;
  return spec_read_string(parser, &text) < 0 ? -1 : net_config_parse(text, out, parser->error);
}

int spec_check_network(const struct network_spec *network, struct error *error) {
  if ((network->kind == NETWORK_BRIDGE) != (network->bridge.bridge[0] != '\0'))
    return fail(error, STAGE_SPEC, 0, "network.bridge: goes with a network of that kind");
  if ((network->kind == NETWORK_PROCESS) != (network->process != 0))
    return fail(error, STAGE_SPEC, 0, "network.process: goes with a network of that kind");
  if (network->port_count > 0 && network->kind != NETWORK_BRIDGE)
    return fail(error, STAGE_SPEC, 0, "network.port: needs a bridge");
  if (network->hosts_name != NULL && network->hosts_file == NULL)
    return fail(error, STAGE_SPEC, 0, "etc.hosts.name: needs etc.hosts");
  return 0;
}
