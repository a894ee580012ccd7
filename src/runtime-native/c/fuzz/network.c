/* A bridge and its addresses as text (net_config.c): only private ranges, only names that can be an interface's. */
#include "net_config.h"

#include "fuzz.h"
#include "stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct net_config config;
  struct error error = {0};
  char *text = text_copy(data, size);
  if (net_config_parse(text, &config, &error) == 0) {
    EXPECT(config.bridge[0] != '\0' && strlen(config.bridge) < IF_NAMESIZE && strpbrk(config.bridge, "/ \n:") == NULL, "%s", config.bridge);
    EXPECT(config.subnet.prefix <= 32, "prefix %u", config.subnet.prefix);
    const struct subnet private[] = {{0x0a000000, 8}, {0xac100000, 12}, {0xc0a80000, 16}, {0x64400000, 10}};
    bool is_private = config.subnet.prefix == 0;
    for (size_t i = 0; i < COUNT(private); i++)
      is_private = is_private || (config.subnet.prefix >= private[i].prefix && subnet_overlaps(config.subnet, private[i]));
    EXPECT(is_private, "%x/%u", config.subnet.address, config.subnet.prefix);
  } else {
    EXPECT(error.stage == STAGE_SPEC, "stage %u", error.stage);
  }
  free(text);
  return 0;
}
