/* The memory of a description; see spec.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec.h"

struct spec_memory {
  struct spec_memory *next;
  max_align_t bytes[];
};

void *spec_allocate(struct container_spec *spec, size_t size) {
  struct spec_memory *memory = calloc(1, sizeof *memory + size);
  if (memory == NULL)
    return NULL;
  memory->next = spec->memory;
  spec->memory = memory;
  return memory->bytes;
}

const char *spec_format(struct container_spec *spec, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = length < 0 ? NULL : spec_allocate(spec, (size_t)length + 1);
  if (text == NULL)
    return NULL;
  va_start(arguments, format);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

void spec_free(struct container_spec *spec) {
  free(spec->runtime.flags.items);
  free(spec->rootfs.lower.items);
  free(spec->masked_paths.items);
  free(spec->readonly_paths.items);
  free(spec->args.items);
  free(spec->env.items);
  for (size_t i = 0; i < spec->mount_count; i++)
    free(spec->mounts[i].overlay.lower.items);
  for (size_t kind = 0; kind < HOOK_KINDS; kind++) {
    for (size_t i = 0; i < spec->hooks[kind].count; i++) {
      free(spec->hooks[kind].items[i].args.items);
      free(spec->hooks[kind].items[i].env.items);
    }
  }
  while (spec->memory != NULL) {
    struct spec_memory *next = spec->memory->next;
    free(spec->memory);
    spec->memory = next;
  }
}
