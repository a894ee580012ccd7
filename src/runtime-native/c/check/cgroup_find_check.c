/* Where this process is in the hierarchies, read from files as real machines have them, and from broken ones. */
#include "cgroup_find.h"

#include "check.h"

#define ROUNDS 20000

struct sample {
  const char *groups;
  const char *mounts;
  enum cgroup_version version;
  /* Of the hierarchies, in their order; the rest is NULL. */
  const char *paths[3];
};

static const struct sample samples[] = {
    /* Both versions: the first has the controllers. */
    {"12:memory:/user.slice\n4:cpu,cpuacct:/\n1:name=systemd:/init.scope\n0::/init.scope\n",
     "30 23 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:5 - cgroup2 cgroup2 rw,nsdelegate\n"
     "31 23 0:27 / /sys/fs/cgroup/systemd rw shared:6 - cgroup cgroup rw,xattr,name=systemd\n"
     "33 23 0:29 / /sys/fs/cgroup/memory rw shared:7 - cgroup cgroup rw,memory\n"
     "34 23 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:8 master:1 - cgroup cgroup rw,cpu,cpuacct\n",
     CGROUP_V1,
     {"/sys/fs/cgroup/systemd/init.scope", "/sys/fs/cgroup/memory/user.slice", "/sys/fs/cgroup/cpu,cpuacct"}},
    {"0::/user.slice/a b\n", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n", CGROUP_V2,
     {"/sys/fs/cgroup/user.slice/a b"}},
    /* A name alone is no controller. */
    {"1:name=systemd:/\n0::/x\n",
     "31 23 0:27 / /s/systemd rw - cgroup cgroup rw,name=systemd\n30 23 0:26 / /s/unified rw - cgroup2 c rw\n", CGROUP_V2,
     {"/s/unified/x"}},
    /* A part of the hierarchy is mounted, as in a container; with escapes. */
    {"0::/docker/1/sub\n", "30 23 0:26 /docker/1 /sys/fs/my\\040cgroup rw - cgroup2 cgroup rw\n", CGROUP_V2,
     {"/sys/fs/my cgroup/sub"}},
    {"0::/docker/12\n", "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n", CGROUP_V2, {"/sys/fs/cgroup"}},
    /* Outside of the root of its cgroup namespace (cgroup_namespaces(7)): `..` leads nowhere through the mount. */
    {"0::/../sibling\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", CGROUP_V2, {"/sys/fs/cgroup"}},
    {"0::/../a\n", "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup rw\n", CGROUP_V2, {"/sys/fs/cgroup"}},
    {"0::/..a/..\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", CGROUP_V2, {"/sys/fs/cgroup"}},
    {"0::/..a/b..\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", CGROUP_V2, {"/sys/fs/cgroup/..a/b.."}},
    /* No list of controllers, though it looks like one. */
    {"3:,:/\n2:memory,:/\n", "33 23 0:29 / /sys/fs/cgroup/memory rw shared:7 - cgroup cgroup rw,memory\n", CGROUP_NONE, {NULL}},
    {"", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", CGROUP_NONE, {NULL}},
    {"0::/\n", "", CGROUP_NONE, {NULL}},
    {"0::/\n", "30 23 0:26 / /sys rw - sysfs sysfs rw\n30 23\n\n- cgroup2", CGROUP_NONE, {NULL}},
};

static void parse(struct cgroup *cgroup, const char *groups, size_t groups_size, const char *mounts,
                  size_t mounts_size) {
  char *first = must(strndup(groups, groups_size)), *second = must(strndup(mounts, mounts_size));
  struct error error = {0};
  EXPECT(cgroup_parse(cgroup, first, second, &error) == 0, "%s", error.detail);
  free(first);
  free(second);
  EXPECT(cgroup->count <= CGROUP_HIERARCHIES_MAX, "%zu", cgroup->count);
  EXPECT((cgroup->count == 0) == (cgroup->version == CGROUP_NONE), "%zu", cgroup->count);
  for (size_t i = 0; i < cgroup->count; i++) {
    const struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[i];
    EXPECT(hierarchy->directory == -1 && hierarchy->path[0] != '\0', "hierarchy %zu", i);
    EXPECT(memchr(hierarchy->path, '\0', sizeof hierarchy->path) != NULL, "hierarchy %zu", i);
    const char *dots = strstr(hierarchy->path, "/../");
    EXPECT(dots == NULL || strstr(mounts, "..") != NULL, "%s", hierarchy->path);
  }
}

static void check_samples(void) {
  static struct cgroup cgroup;
  for (size_t i = 0; i < COUNT(samples); i++) {
    parse(&cgroup, samples[i].groups, strlen(samples[i].groups), samples[i].mounts, strlen(samples[i].mounts));
    EXPECT(cgroup.version == samples[i].version, "sample %zu: version %d", i, cgroup.version);
    for (size_t j = 0; j < COUNT(samples[i].paths); j++) {
      const char *wanted = samples[i].paths[j];
      EXPECT((j < cgroup.count) == (wanted != NULL), "sample %zu: %zu hierarchies", i, cgroup.count);
      if (wanted != NULL)
        EXPECT(strcmp(cgroup.hierarchies[j].path, wanted) == 0, "sample %zu: %s", i, cgroup.hierarchies[j].path);
    }
  }
}

/* More hierarchies than there is room for, and names that are too long. */
static void check_limits(void) {
  static struct cgroup cgroup;
  char *groups = must(malloc(1 << 16)), *mounts = must(malloc(1 << 18));
  size_t groups_size = 0, mounts_size = 0;
  for (int i = 0; i < 200; i++) {
    groups_size += (size_t)sprintf(groups + groups_size, "%d:c%d:/g\n", i, i);
    mounts_size += (size_t)sprintf(mounts + mounts_size, "1 2 0:3 / /s/c%d rw - cgroup c rw,c%d\n", i, i);
  }
  parse(&cgroup, groups, groups_size, mounts, mounts_size);
  EXPECT(cgroup.count == CGROUP_HIERARCHIES_MAX, "%zu", cgroup.count);
  memset(groups, 'x', 8000);
  memcpy(groups, "0::/", 4);
  const char *mount = "1 2 0:3 / /s rw - cgroup2 c rw\n";
  parse(&cgroup, groups, 8000, mount, strlen(mount));
  EXPECT(cgroup.version == CGROUP_NONE, "a path of 8000 bytes");
  free(groups);
  free(mounts);
}

static void check_random(void) {
  static struct cgroup cgroup;
  unsigned found = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    const struct sample *sample = &samples[draw(COUNT(samples))];
    size_t groups_size = strlen(sample->groups), mounts_size = strlen(sample->mounts);
    char *groups = exact_copy(sample->groups, groups_size + 1), *mounts = exact_copy(sample->mounts, mounts_size + 1);
    mutate((uint8_t *)groups, &groups_size);
    mutate((uint8_t *)mounts, &mounts_size);
    groups[groups_size] = mounts[mounts_size] = '\0';
    parse(&cgroup, groups, groups_size, mounts, mounts_size);
    found += cgroup.count > 0;
    free(groups);
    free(mounts);
  }
  printf("cgroup_find: %d random files, %u with a hierarchy\n", ROUNDS, found);
}

int main(void) {
  check_samples();
  check_limits();
  check_random();
  static struct cgroup own;
  struct error error = {0};
  EXPECT(cgroup_find(&own, &error) == 0, "%s", error.detail);
  return 0;
}
