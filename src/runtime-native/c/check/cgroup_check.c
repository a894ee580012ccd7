/* What is written to and read from the files of a group, against a directory that looks like one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_events.h"
#include "cgroup_files.h"
#include "cgroup_limits.h"
#include "cgroup_stats.h"
#include "stage.h"

static char root[] = "/tmp/tsbuild-cgroup-check-XXXXXX";
static int directory = -1;

static void expect(bool holds, const char *what) {
  if (holds)
    return;
  fprintf(stderr, "cgroup: %s\n", what);
  exit(1);
}

static void put(const char *file, const char *text) {
  int fd = openat(directory, file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  expect(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), file);
  close(fd);
}

static void expect_text(const char *file, const char *wanted) {
  char text[256];
  expect(cgroup_read_file(directory, file, text, sizeof text) >= 0, file);
  if (strcmp(text, wanted) != 0) {
    fprintf(stderr, "cgroup: %s is \"%s\", not \"%s\"\n", file, text, wanted);
    exit(1);
  }
}

static void start(void) {
  strcpy(root, "/tmp/tsbuild-cgroup-check-XXXXXX");
  expect(mkdtemp(root) != NULL, "directory");
  directory = open(root, O_RDONLY | O_DIRECTORY);
  expect(directory >= 0, root);
}

static void finish(const char *const *files) {
  for (; *files != NULL; files++)
    unlinkat(directory, *files, 0);
  close(directory);
  expect(rmdir(root) == 0, "a file that nobody knows of");
}

static int apply(enum cgroup_version version, const struct cgroup_resources *resources, struct error *error) {
  struct cgroup_write writes[CGROUP_WRITES_MAX];
  int count = cgroup_limits(version, resources, writes, error);
  return count < 0 ? -1 : cgroup_limits_apply(directory, writes, (size_t)count, error);
}

static const struct cgroup_resources all = {.memory = 64 << 20,
                                            .memory_reservation = 32 << 20,
                                            .memory_swap = 96 << 20,
                                            .cpu_shares = 1024,
                                            .cpu_quota = 150000,
                                            .cpuset_cpus = "0-1",
                                            .cpuset_mems = "0",
                                            .pids = 77};

static void check_v2(void) {
  static const char *const files[] = {"memory.max", "memory.low",  "memory.swap.max", "cpu.weight", "cpu.max",
                                      "pids.max",   "cpuset.cpus", "cpuset.mems",     NULL};
  struct error error;
  start();
  for (const char *const *file = files; *file != NULL; file++)
    put(*file, "");
  expect(apply(CGROUP_V2, &all, &error) == 0, "version 2");
  expect_text("memory.max", "67108864");
  expect_text("memory.low", "33554432");
  expect_text("memory.swap.max", "33554432");
  expect_text("cpu.weight", "100");
  expect_text("cpu.max", "150000 100000");
  expect_text("pids.max", "77");
  expect_text("cpuset.cpus", "0-1");
  expect_text("cpuset.mems", "0");

  struct cgroup_resources some = {.memory = 64 << 20, .memory_swap = CGROUP_SAME, .cpu_period = 20000};
  put("memory.swap.max", "");
  put("cpu.max", "");
  expect(apply(CGROUP_V2, &some, &error) == 0, "as much swap");
  expect_text("memory.swap.max", "67108864");
  expect_text("cpu.max", "max 20000");
  some.memory_swap = CGROUP_UNLIMITED;
  put("memory.swap.max", "");
  expect(apply(CGROUP_V2, &some, &error) == 0, "any swap");
  expect_text("memory.swap.max", "max");

  /* A kernel that does not count swap: fine unless it was asked for. */
  unlinkat(directory, "memory.swap.max", 0);
  expect(apply(CGROUP_V2, &some, &error) < 0 && error.stage == STAGE_LIMIT && error.code == ENOENT, "no swap file");
  some.memory_swap = CGROUP_SAME;
  expect(apply(CGROUP_V2, &some, &error) == 0, "swap that nobody asked for");

  some = (struct cgroup_resources){.has_swappiness = true};
  expect(apply(CGROUP_V2, &some, &error) < 0 && error.stage == STAGE_LIMIT, "swappiness");
  some = (struct cgroup_resources){.oom_kill_disable = true};
  expect(apply(CGROUP_V2, &some, &error) < 0 && error.stage == STAGE_LIMIT, "out-of-memory killer");
  finish(files);
}

static void check_weight(void) {
  unsigned last = 0;
  for (uint64_t shares = 0; shares <= 262144; shares++) {
    unsigned weight = cgroup_weight(shares);
    expect(weight >= 1 && weight <= 10000 && weight >= last, "a weight out of range or order");
    last = weight;
  }
  expect(cgroup_weight(2) == 1 && cgroup_weight(1024) == 100 && cgroup_weight(262144) == 10000, "weights");
}

static bool killed(struct cgroup *cgroup) { return cgroup_oom_killed(cgroup, 0); }

static void check_kills(void) {
  static const char *const files[] = {"memory.events", "memory.events.local", "memory.oom_control", NULL};
  start();
  struct cgroup found = {.version = CGROUP_V2, .count = 1};
  struct cgroup own = found;
  own.found = &found;
  own.hierarchies[0].directory = directory;
  snprintf(own.hierarchies[0].path, sizeof own.hierarchies[0].path, "%s", root);
  put("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 0\noom_group_kill 5\n");
  put("memory.events.local", "oom 0\noom_kill 0\n");
  expect(!killed(&own), "no kill");
  put("memory.events.local", "oom 0\noom_kill 2\n");
  expect(killed(&own), "a kill of the group's own");
  put("memory.events.local", "oom_kill 0\n");
  put("memory.events", "oom_kill 1\n");
  expect(killed(&own), "a kill below the group");

  /* Without a group of its own the caller's counts, and only from the start on. */
  snprintf(found.hierarchies[0].path, sizeof found.hierarchies[0].path, "%s", root);
  found.hierarchies[0].top_size = strlen("/tmp");
  own.hierarchies[0].directory = -1;
  cgroup_watch_kills(&own);
  expect(!cgroup_oom_killed(&own, 137), "a kill before the start");
  put("memory.events", "oom_kill 2\n");
  expect(cgroup_oom_killed(&own, 137), "a kill outside");
  expect(!cgroup_oom_killed(&own, 1), "a kill of somebody else");

  own.version = found.version = CGROUP_V1;
  strcpy(found.hierarchies[0].controllers, "memory");
  strcpy(own.hierarchies[0].controllers, "memory");
  own.hierarchies[0].directory = directory;
  put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
  expect(!killed(&own), "no kill of version 1");
  put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  expect(killed(&own), "a kill of version 1");
  finish(files);
}

static void check_stats(void) {
  static const char *const files[] = {"memory.current", "memory.peak", "memory.max", "memory.swap.current",
                                      "memory.stat",    "cpu.stat",    "pids.current", "pids.max",
                                      "io.stat",        NULL};
  start();
  put("memory.current", "1000\n");
  put("memory.peak", "2000\n");
  put("memory.max", "max\n");
  put("memory.swap.current", "0\n");
  put("memory.stat", "anon 10\nfile 20\nkernel 30\ninactive_file 5\nanon_thp 9\n");
  put("cpu.stat", "usage_usec 300\nuser_usec 200\nsystem_usec 100\nnr_periods 4\nnr_throttled 3\nthrottled_usec 77\n");
  put("pids.current", "3\n");
  put("pids.max", "20\n");
  put("io.stat", "8:0 rbytes=100 wbytes=1 rios=2 wios=3 dbytes=0 dios=0\n9:1 rbytes=11 wbytes=5 rios=1 wios=1\n");
  struct cgroup cgroup = {.version = CGROUP_V2, .count = 1};
  cgroup.hierarchies[0].directory = directory;
  char text[1024];
  cgroup_stats(&cgroup, text, sizeof text);
  static const char wanted[] =
      "memory.current 1000\nmemory.peak 2000\nmemory.swap 0\nmemory.anon 10\nmemory.file 20\nmemory.inactive_file 5\n"
      "memory.kernel 30\ncpu.usage 300\ncpu.user 200\ncpu.system 100\ncpu.periods 4\ncpu.throttled 3\n"
      "cpu.throttled_time 77\npids.current 3\npids.limit 20\nio.read 111\nio.written 6\nio.reads 3\nio.writes 4\n";
  if (strcmp(text, wanted) != 0)
    fprintf(stderr, "%s", text);
  expect(strcmp(text, wanted) == 0, "statistics");
  /* Whole lines only, however little room there is. */
  for (size_t size = 1; size < sizeof wanted; size++) {
    cgroup_stats(&cgroup, text, size);
    const size_t length = strlen(text);
    expect(length < size && (length == 0 || text[length - 1] == '\n'), "a line that was cut");
  }
  finish(files);
}

static void check_words(void) {
  expect(cgroup_has_word("cpu,cpuacct", "cpuacct") && cgroup_has_word("cpuset cpu io\n", "io"), "a word");
  expect(!cgroup_has_word("cpuset cpuacct", "cpu") && !cgroup_has_word("", "cpu"), "a part of a word");
}

int main(void) {
  check_words();
  check_weight();
  check_v2();
  check_kills();
  check_stats();
  printf("cgroup: limits, kills and statistics\n");
  return 0;
}
