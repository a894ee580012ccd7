#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "cleanup.h"
#include "io.h"
#include "stage.h"
#include "syscalls.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* Those that a process cannot enter itself, but only what it starts afterwards. */
#define FOR_CHILDREN (CLONE_NEWPID | CLONE_NEWTIME)

int namespaces_open(const struct container_spec *spec, int *joins, struct error *error) {
  for (size_t i = 0; i < spec->join_count; i++) {
    joins[i] = open(spec->joins[i].path, O_RDONLY | O_CLOEXEC);
    if (joins[i] < 0)
      return fail(error, STAGE_ISOLATION, errno, "%s", spec->joins[i].path);
  }
  return 0;
}

static int write_proc(const char *path, const char *text, struct error *error) {
  cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
  /* The kernel takes maps and offsets in one write only. */
  if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
    return fail(error, STAGE_ISOLATION, errno, "%s", path);
  return 0;
}

/* Offsets can be set as long as nothing runs in the namespace, so it is made ahead. */
static int prepare_clocks(const struct container_spec *spec, struct error *error) {
  char text[256] = "";
  size_t used = 0;
  if (unshare(CLONE_NEWTIME) < 0)
    return fail(error, STAGE_ISOLATION, errno, "time namespace");
  for (size_t i = 0; i < spec->clock_offset_count; i++) {
    const struct clock_offset *offset = &spec->clock_offsets[i];
    used += (size_t)snprintf(text + used, sizeof text - used, "%s %lld %u\n", offset->clock,
                             (long long)offset->seconds, offset->nanoseconds);
  }
  return used == 0 ? 0 : write_proc("/proc/self/timens_offsets", text, error);
}

int namespaces_prepare(const struct container_spec *spec, const int *joins, struct error *error) {
  for (size_t i = 0; i < spec->join_count; i++) {
    const uint64_t type = spec->joins[i].type;
    if ((type & FOR_CHILDREN) && setns(joins[i], (int)type) < 0)
      return fail(error, STAGE_ISOLATION, errno, "%s", spec->joins[i].path);
  }
  return spec->namespaces & CLONE_NEWTIME ? prepare_clocks(spec, error) : 0;
}

static int restore(const char *path, uint64_t type, struct error *error) {
  cleanup_fd int own = open(path, O_RDONLY | O_CLOEXEC);
  return own < 0 || setns(own, (int)type) < 0 ? fail(error, STAGE_ISOLATION, errno, "%s", path) : 0;
}

int namespaces_restore(const struct container_spec *spec, struct error *error) {
  uint64_t changed = spec->namespaces & CLONE_NEWTIME;
  for (size_t i = 0; i < spec->join_count; i++)
    changed |= spec->joins[i].type & FOR_CHILDREN;
  if ((changed & CLONE_NEWPID) && restore("/proc/self/ns/pid", CLONE_NEWPID, error) < 0)
    return -1;
  return changed & CLONE_NEWTIME ? restore("/proc/self/ns/time", CLONE_NEWTIME, error) : 0;
}

uint64_t namespaces_flags(const struct container_spec *spec) {
  /* A cgroup namespace shows the groups that its maker is in, so it comes after the process has joined them. */
  return spec->namespaces & ~(uint64_t)(CLONE_NEWTIME | CLONE_NEWCGROUP);
}

static int write_map(pid_t pid, const char *file, const struct id_map *maps, size_t count, struct error *error) {
  char path[64];
  cleanup_free char *text = malloc(count * 36 + 1);
  size_t used = 0;
  if (text == NULL)
    return fail(error, STAGE_ISOLATION, ENOMEM, "%s", file);
  for (size_t i = 0; i < count; i++)
    used += (size_t)sprintf(text + used, "%u %u %u\n", maps[i].inside, maps[i].outside, maps[i].count);
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
  return used == 0 ? 0 : write_proc(path, text, error);
}

int namespaces_map_ids(const struct container_spec *spec, pid_t pid, struct error *error) {
  if ((spec->namespaces & CLONE_NEWUSER) == 0)
    return 0;
  if (write_map(pid, "uid_map", spec->uid_maps, spec->uid_map_count, error) < 0)
    return -1;
  return write_map(pid, "gid_map", spec->gid_maps, spec->gid_map_count, error);
}

int namespaces_enter(const struct container_spec *spec, const int *joins, struct error *error) {
  for (size_t i = 0; i < spec->join_count; i++) {
    const uint64_t type = spec->joins[i].type;
    if ((type & FOR_CHILDREN) == 0 && setns(joins[i], (int)type) < 0)
      return fail(error, STAGE_ISOLATION, errno, "%s", spec->joins[i].path);
  }
  if ((spec->namespaces & CLONE_NEWUSER) == 0)
    return 0;
  if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
    return fail(error, STAGE_ISOLATION, errno, "root of the user namespace");
  /* The change of ids has taken our own files in proc away from us. */
  return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? fail(error, STAGE_ISOLATION, errno, "dumpable") : 0;
}
