/* Descriptions of containers (spec.c): all strings of one that is taken are within it. */
#include "spec.h"

#include "fuzz.h"
#include "stage.h"

static void touch(const struct string_list *list) {
  for (size_t i = 0; i < list->count; i++)
    EXPECT(strlen(list->items[i]) < SPEC_SIZE_MAX, "string %zu", i);
  EXPECT(list->items == NULL || list->items[list->count] == NULL, "no end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct container_spec spec = {.id = NULL};
  struct error error = {0};
  uint8_t *copy = exact_copy(data, size);
  if (spec_parse(copy, size, &spec, &error) == 0) {
    EXPECT(spec.args.count > 0 && spec.id != NULL && strlen(spec.id) <= 128, "taken without a command or a name");
    touch(&spec.args);
    touch(&spec.env);
    touch(&spec.rootfs.lower);
    touch(&spec.masked_paths);
    for (size_t i = 0; i < spec.mount_count; i++)
      EXPECT(spec.mounts[i].target[0] == '/', "mount %zu", i);
  } else {
    EXPECT(error.stage == STAGE_SPEC, "stage %u: %s", error.stage, error.detail);
  }
  spec_free(&spec);
  free(copy);
  return 0;
}
