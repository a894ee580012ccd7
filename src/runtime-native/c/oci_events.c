/* `events`: what a container uses, once or every few seconds. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup_files.h"
#include "cgroup_stats.h"
#include "cleanup.h"
#include "json_write.h"
#include "oci.h"
#include "oci_cgroup.h"
#include "oci_state.h"
#include "stage.h"
#include "syscalls.h"

#define NS_PER_US 1000

/* What cgroup_stats.c has of that name, or what stands for its absence. */
static uint64_t value(const char *stats, const char *name, uint64_t absent) {
  uint64_t number;
  return cgroup_find_number(stats, name, &number) ? number : absent;
}

/* With the names of runc's output, which engines read. */
static void print_stats(const struct oci_state *state, const char *stats) {
  printf("{\"type\":\"stats\",\"id\":");
  json_write_string(stdout, state->id);
  printf(",\"data\":{\"cpu\":{\"usage\":{\"total\":%" PRIu64 ",\"kernel\":%" PRIu64 ",\"user\":%" PRIu64
         "},\"throttling\":{\"periods\":%" PRIu64 ",\"throttledPeriods\":%" PRIu64 ",\"throttledTime\":%" PRIu64 "}}",
         value(stats, "cpu.usage", 0) * NS_PER_US, value(stats, "cpu.system", 0) * NS_PER_US,
         value(stats, "cpu.user", 0) * NS_PER_US, value(stats, "cpu.periods", 0), value(stats, "cpu.throttled", 0),
         value(stats, "cpu.throttled_time", 0) * NS_PER_US);
  printf(",\"memory\":{\"cache\":%" PRIu64 ",\"usage\":{\"limit\":%" PRIu64 ",\"usage\":%" PRIu64 ",\"max\":%" PRIu64
         ",\"failcnt\":0},\"kernel\":{\"limit\":0,\"usage\":%" PRIu64 ",\"max\":0,\"failcnt\":0}}",
         value(stats, "memory.file", 0), value(stats, "memory.limit", UINT64_MAX), value(stats, "memory.current", 0),
         value(stats, "memory.peak", 0), value(stats, "memory.kernel", 0));
  printf(",\"pids\":{\"current\":%" PRIu64 ",\"limit\":%" PRIu64 "},\"blkio\":{},\"hugetlb\":{}}}\n",
         value(stats, "pids.current", 0), value(stats, "pids.limit", 0));
}

/* -1 with `error` filled for one that does not run. */
static int print_once(const struct oci_globals *globals, const char *id, pid_t *pid, struct error *error) {
  static struct cgroup cgroup;
  struct oci_state state = {.directory = -1};
  int result = oci_state_open(&state, globals->root, id, error);
  if (result == 0 && (oci_state_status(&state) == OCI_STOPPED || oci_state_status(&state) == OCI_CREATING))
    result = oci_usage(error, "container \"%s\" does not run: it is %s", id, oci_status_name(oci_state_status(&state)));
  if (result == 0)
    result = oci_cgroup_open(&cgroup, state.cgroups, error);
  if (result == 0) {
    char stats[4096];
    cgroup_stats(&cgroup, stats, sizeof stats);
    print_stats(&state, stats);
    *pid = state.pid;
    if (fflush(stdout) != 0)
      result = fail(error, STAGE_SUPERVISOR, errno, "output");
  }
  oci_cgroup_close(&cgroup);
  oci_state_close(&state);
  return result;
}

int oci_events_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  bool once = false;
  const char *interval = "5s", *id;
  const struct oci_option options[] = {
      {.name = "stats", .flag = &once}, {.name = "interval", .value = &interval}, {0}};
  int at;
  char *end;
  pid_t pid;
  if (oci_options(options, argc, argv, &at, error) < 0 || oci_only_id(argc, argv, at, &id, error) < 0)
    return -1;
  const unsigned long seconds = strtoul(interval, &end, 10);
  if (seconds == 0 || seconds > 86400 || (strcmp(end, "s") != 0 && *end != '\0'))
    return oci_usage(error, "flag \"--interval\" wants a number of seconds, such as 5s");
  if (print_once(globals, id, &pid, error) < 0)
    return -1;
  cleanup_fd int pidfd = once ? -1 : sys_pidfd_open(pid);
  struct pollfd entry = {.fd = pidfd, .events = POLLIN};
  struct error gone;
  /* The end of the container is that of the events, not a failure. */
  while (pidfd >= 0 && poll(&entry, 1, (int)seconds * 1000) == 0) {
    if (print_once(globals, id, &pid, &gone) < 0)
      break;
  }
  return 0;
}
