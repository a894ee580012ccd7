/* /proc/self/cgroup and /proc/self/mountinfo (cgroup_find.c): no group is outside of where its hierarchy is mounted. */
#include "cgroup_find.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct cgroup cgroup;
  struct error error = {0};
  char *groups, *mounts;
  two_texts(data, size, &groups, &mounts);
  if (cgroup_parse(&cgroup, groups, mounts, &error) == 0) {
    EXPECT(cgroup.count <= CGROUP_HIERARCHIES_MAX && (cgroup.version != CGROUP_NONE || cgroup.count == 0), "%zu", cgroup.count);
    for (size_t i = 0; i < cgroup.count; i++) {
      const struct cgroup_hierarchy *hierarchy = &cgroup.hierarchies[i];
      const char *below = hierarchy->path + hierarchy->top_size;
      EXPECT(strlen(hierarchy->path) >= hierarchy->top_size && hierarchy->directory == -1, "%s", hierarchy->path);
      EXPECT(strstr(below, "/../") == NULL && (strlen(below) < 3 || strcmp(below + strlen(below) - 3, "/..") != 0), "%s", below);
    }
  }
  free(groups);
  free(mounts);
  return 0;
}
