#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"

struct pack_link {
  dev_t device;
  ino_t inode;
  /* NULL in a free slot. */
  char *path;
};

static size_t slot_of(const struct pack_links *links, dev_t device, ino_t inode) {
  uint64_t hash = ((uint64_t)inode ^ ((uint64_t)device << 32)) * 0x9e3779b97f4a7c15u;
  size_t at = (size_t)(hash >> 20) & (links->capacity - 1);
  while (links->slots[at].path != NULL && (links->slots[at].inode != inode || links->slots[at].device != device))
    at = (at + 1) & (links->capacity - 1);
  return at;
}

static int grow(struct pack_links *links) {
  struct pack_links larger = {.capacity = links->capacity == 0 ? 256 : links->capacity * 2, .count = links->count};
  larger.slots = calloc(larger.capacity, sizeof *larger.slots);
  if (larger.slots == NULL)
    return -1;
  for (size_t i = 0; i < links->capacity; i++) {
    const struct pack_link *link = &links->slots[i];
    if (link->path != NULL)
      larger.slots[slot_of(&larger, link->device, link->inode)] = *link;
  }
  free(links->slots);
  *links = larger;
  return 0;
}

const char *pack_first_path(struct pack_links *links, dev_t device, ino_t inode, const char *path, int *failed) {
  *failed = 0;
  if (links->count * 2 >= links->capacity && grow(links) < 0) {
    *failed = ENOMEM;
    return NULL;
  }
  struct pack_link *slot = &links->slots[slot_of(links, device, inode)];
  if (slot->path != NULL)
    return slot->path;
  char *copy = strdup(path);
  if (copy == NULL) {
    *failed = ENOMEM;
    return NULL;
  }
  *slot = (struct pack_link){device, inode, copy};
  links->count++;
  return NULL;
}
