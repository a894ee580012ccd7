#include "userns.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* As many lines as the kernel takes (UID_GID_MAP_MAX_EXTENTS). */
#define EXTENTS_MAX 340

struct extent {
  unsigned first;
  unsigned outside;
  unsigned count;
};

struct id_map {
  size_t count;
  struct extent extents[EXTENTS_MAX];
};

static struct {
  bool is_read;
  struct id_map uids;
  struct id_map gids;
  bool denies_groups;
} own;

/* Without /proc no id is known but 0, which is how the smallest namespace is. */
static void read_map(struct id_map *map, const char *path) {
  FILE *file = fopen(path, "re");
  struct extent extent;
  map->count = 0;
  while (file != NULL && map->count < EXTENTS_MAX &&
         fscanf(file, "%u %u %u", &extent.first, &extent.outside, &extent.count) == 3)
    map->extents[map->count++] = extent;
  if (file != NULL)
    fclose(file);
  if (map->count == 0)
    map->extents[map->count++] = (struct extent){.count = 1};
}

static bool is_denied(const char *path) {
  char text[8] = "";
  FILE *file = fopen(path, "re");
  bool denied = file != NULL && fscanf(file, "%7s", text) == 1 && strcmp(text, "deny") == 0;
  if (file != NULL)
    fclose(file);
  return denied;
}

void userns_read(void) {
  read_map(&own.uids, "/proc/self/uid_map");
  read_map(&own.gids, "/proc/self/gid_map");
  own.denies_groups = is_denied("/proc/self/setgroups");
  own.is_read = true;
}

static void read_once(void) {
  if (!own.is_read)
    userns_read();
}

static bool has_id(const struct id_map *map, unsigned id) {
  for (size_t i = 0; i < map->count; i++) {
    if (id >= map->extents[i].first && id - map->extents[i].first < map->extents[i].count)
      return true;
  }
  return false;
}

bool userns_is_initial(void) {
  read_once();
  const struct extent *first = own.uids.extents;
  return first->first == 0 && first->outside == 0 && first->count == UINT_MAX;
}

bool userns_has_uid(uid_t id) {
  read_once();
  return has_id(&own.uids, id);
}

bool userns_has_gid(gid_t id) {
  read_once();
  return has_id(&own.gids, id);
}

bool userns_may_set_groups(void) {
  read_once();
  return !own.denies_groups;
}
