#include "cgroup_stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup_files.h"

/* Version 1 says "no limit" with the largest number of pages. */
#define V1_UNLIMITED (INT64_MAX / 2)
#define NS_PER_US 1000

struct text {
  char *out;
  size_t size;
  size_t used;
};

/* A line that does not fit is left out whole. */
static void add(struct text *text, const char *name, uint64_t number) {
  const size_t left = text->size - text->used;
  const int length = snprintf(text->out + text->used, left, "%s %" PRIu64 "\n", name, number);
  if (length > 0 && (size_t)length < left)
    text->used += (size_t)length;
  else
    text->out[text->used] = '\0';
}

static void add_file(struct text *text, const char *name, int directory, const char *file, uint64_t divisor) {
  uint64_t number;
  if (cgroup_read_number(directory, file, &number))
    add(text, name, number / divisor);
}

/* A file of many lines, and what a line of it is called here. */
struct line {
  const char *key;
  const char *name;
  uint64_t divisor;
};

static void add_lines(struct text *text, int directory, const char *file, const struct line *lines, size_t count) {
  char content[8192];
  if (cgroup_read_file(directory, file, content, sizeof content) <= 0)
    return;
  for (size_t i = 0; i < count; i++) {
    uint64_t number;
    if (cgroup_find_number(content, lines[i].key, &number))
      add(text, lines[i].name, number / lines[i].divisor);
  }
}

#define COUNT(array) (sizeof array / sizeof array[0])

static const struct line cpu_v2[] = {
    {"usage_usec", "cpu.usage", 1},         {"user_usec", "cpu.user", 1},
    {"system_usec", "cpu.system", 1},       {"nr_periods", "cpu.periods", 1},
    {"nr_throttled", "cpu.throttled", 1},   {"throttled_usec", "cpu.throttled_time", 1},
};

static const struct line cpu_v1[] = {
    {"nr_periods", "cpu.periods", 1},
    {"nr_throttled", "cpu.throttled", 1},
    {"throttled_time", "cpu.throttled_time", NS_PER_US},
};

static const struct line memory_v2[] = {
    {"anon", "memory.anon", 1},
    {"file", "memory.file", 1},
    {"inactive_file", "memory.inactive_file", 1},
    {"kernel", "memory.kernel", 1},
};

/* Those with `total_` are of the group and all below it, as in version 2. */
static const struct line memory_v1[] = {
    {"total_rss", "memory.anon", 1},
    {"total_cache", "memory.file", 1},
    {"total_inactive_file", "memory.inactive_file", 1},
};

static void add_memory_v1(struct text *text, int directory) {
  uint64_t limit;
  add_file(text, "memory.current", directory, "memory.usage_in_bytes", 1);
  add_file(text, "memory.peak", directory, "memory.max_usage_in_bytes", 1);
  if (cgroup_read_number(directory, "memory.limit_in_bytes", &limit) && limit < V1_UNLIMITED)
    add(text, "memory.limit", limit);
  add_file(text, "memory.kernel", directory, "memory.kmem.usage_in_bytes", 1);
  add_lines(text, directory, "memory.stat", memory_v1, COUNT(memory_v1));
}

static void add_memory_v2(struct text *text, int directory) {
  add_file(text, "memory.current", directory, "memory.current", 1);
  add_file(text, "memory.peak", directory, "memory.peak", 1);
  add_file(text, "memory.limit", directory, "memory.max", 1);
  add_file(text, "memory.swap", directory, "memory.swap.current", 1);
  add_lines(text, directory, "memory.stat", memory_v2, COUNT(memory_v2));
}

static void add_pids(struct text *text, int directory) {
  add_file(text, "pids.current", directory, "pids.current", 1);
  add_file(text, "pids.limit", directory, "pids.max", 1);
}

/* Sums over devices: `MAJOR:MINOR Read N` in version 1. False without the file. */
static bool sum_v1(int directory, const char *file, uint64_t sums[2]) {
  char content[8192];
  if (cgroup_read_file(directory, file, content, sizeof content) < 0)
    return false;
  char *rest = content;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    char kind[16];
    uint64_t number;
    if (sscanf(line, "%*u:%*u %15s %" SCNu64, kind, &number) != 2)
      continue;
    if (strcmp(kind, "Read") == 0)
      sums[0] += number;
    else if (strcmp(kind, "Write") == 0)
      sums[1] += number;
  }
  return true;
}

static void add_io_v1(struct text *text, int directory) {
  uint64_t bytes[2] = {0, 0}, operations[2] = {0, 0};
  if (sum_v1(directory, "blkio.throttle.io_service_bytes_recursive", bytes)) {
    add(text, "io.read", bytes[0]);
    add(text, "io.written", bytes[1]);
  }
  if (sum_v1(directory, "blkio.throttle.io_serviced_recursive", operations)) {
    add(text, "io.reads", operations[0]);
    add(text, "io.writes", operations[1]);
  }
}

/* `MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N ...` for each device. */
static void add_io_v2(struct text *text, int directory) {
  static const char *const keys[][2] = {
      {"rbytes=", "io.read"}, {"wbytes=", "io.written"}, {"rios=", "io.reads"}, {"wios=", "io.writes"}};
  char content[8192];
  if (cgroup_read_file(directory, "io.stat", content, sizeof content) < 0)
    return;
  for (size_t i = 0; i < COUNT(keys); i++) {
    uint64_t sum = 0;
    for (const char *at = content; (at = strstr(at, keys[i][0])) != NULL;) {
      at += strlen(keys[i][0]);
      sum += strtoull(at, NULL, 10);
    }
    add(text, keys[i][1], sum);
  }
}

/* The group of version 1 with the controller; -1 if there is none. */
static int group(struct cgroup *cgroup, const char *controller) {
  const struct cgroup_hierarchy *found = cgroup_with(cgroup, controller);
  return found == NULL ? -1 : found->directory;
}

static void add_v1(struct text *text, struct cgroup *cgroup) {
  int directory;
  if ((directory = group(cgroup, "memory")) >= 0)
    add_memory_v1(text, directory);
  if ((directory = group(cgroup, "cpuacct")) >= 0) {
    add_file(text, "cpu.usage", directory, "cpuacct.usage", NS_PER_US);
    add_file(text, "cpu.user", directory, "cpuacct.usage_user", NS_PER_US);
    add_file(text, "cpu.system", directory, "cpuacct.usage_sys", NS_PER_US);
  }
  if ((directory = group(cgroup, "cpu")) >= 0)
    add_lines(text, directory, "cpu.stat", cpu_v1, COUNT(cpu_v1));
  if ((directory = group(cgroup, "pids")) >= 0)
    add_pids(text, directory);
  if ((directory = group(cgroup, "blkio")) >= 0)
    add_io_v1(text, directory);
}

void cgroup_stats(struct cgroup *cgroup, char *out, size_t size) {
  struct text text = {.out = out, .size = size};
  const int v2 = cgroup_v2_directory(cgroup);
  out[0] = '\0';
  if (cgroup->version == CGROUP_V1)
    add_v1(&text, cgroup);
  if (v2 < 0)
    return;
  add_memory_v2(&text, v2);
  add_lines(&text, v2, "cpu.stat", cpu_v2, COUNT(cpu_v2));
  add_pids(&text, v2);
  add_io_v2(&text, v2);
}
