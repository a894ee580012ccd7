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
  bool is_read;
  size_t count;
  struct extent extents[EXTENTS_MAX];
};

static struct id_map uids, gids;

/* Without /proc no id is known but 0, which is how the smallest namespace is. */
static const struct id_map *read_map(struct id_map *map, const char *path) {
  if (map->is_read)
    return map;
  map->is_read = true;
  FILE *file = fopen(path, "re");
  struct extent extent;
  while (file != NULL && map->count < EXTENTS_MAX &&
         fscanf(file, "%u %u %u", &extent.first, &extent.outside, &extent.count) == 3)
    map->extents[map->count++] = extent;
  if (file != NULL)
    fclose(file);
  if (map->count == 0)
    map->extents[map->count++] = (struct extent){.count = 1};
  return map;
}

static bool has_id(const struct id_map *map, unsigned id) {
  for (size_t i = 0; i < map->count; i++) {
    if (id >= map->extents[i].first && id - map->extents[i].first < map->extents[i].count)
      return true;
  }
  return false;
}

bool userns_is_initial(void) {
  const struct extent *first = read_map(&uids, "/proc/self/uid_map")->extents;
  return first->first == 0 && first->outside == 0 && first->count == UINT_MAX;
}

bool userns_has_uid(uid_t id) { return has_id(read_map(&uids, "/proc/self/uid_map"), id); }

bool userns_has_gid(gid_t id) { return has_id(read_map(&gids, "/proc/self/gid_map"), id); }

bool userns_may_set_groups(void) {
  char text[8] = "";
  FILE *file = fopen("/proc/self/setgroups", "re");
  if (file == NULL)
    return true;
  bool denied = fscanf(file, "%7s", text) == 1 && strcmp(text, "deny") == 0;
  fclose(file);
  return !denied;
}
