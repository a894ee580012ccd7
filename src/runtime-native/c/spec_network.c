#include "spec_network.h"

#include "stage.h"

int spec_read_network(struct parser *parser, enum network_kind *out) {
  static const char *const words[] = {[NETWORK_HOST] = "host", [NETWORK_NONE] = "none", [NETWORK_BRIDGE] = "bridge"};
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

int spec_read_bridge(struct parser *parser, struct net_config *out) {
  const char *text = NULL;
  return spec_read_string(parser, &text) < 0 ? -1 : net_config_parse(text, out, parser->error);
}

int spec_check_network(const struct network_spec *network, struct error *error) {
  if ((network->kind == NETWORK_BRIDGE) != (network->bridge.bridge[0] != '\0'))
    return fail(error, STAGE_SPEC, 0, "network.bridge: goes with a network of that kind");
  if (network->hosts_name != NULL && network->hosts_file == NULL)
    return fail(error, STAGE_SPEC, 0, "etc.hosts.name: needs etc.hosts");
  return 0;
}
