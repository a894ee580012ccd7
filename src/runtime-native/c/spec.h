/*
 * The description of a container as the runtime gets it: a flat list of keys and values, parsed whole and checked
 * before anything is done. docs/runtime.md describes the wire format.
 */
#ifndef TSBUILD_SPEC_H
#define TSBUILD_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup_resources.h"
#include "error.h"

#define SPEC_MAGIC "TSBSPEC1"
#define SPEC_SIZE_MAX (16u << 20)
#define SPEC_LOWER_MAX 500
#define SPEC_MOUNTS_MAX 512
#define SPEC_STRINGS_MAX 65536
#define SPEC_PATH_MAX 4096

/* NULL-terminated once parsed; the strings point into the buffer that was parsed. */
struct string_list {
  const char **items;
  size_t count;
  size_t capacity;
};

struct overlay_spec {
  /* Lowest first. */
  struct string_list lower;
  const char *upper;
  const char *work;
  bool is_volatile;
};

enum mount_kind { MOUNT_BIND, MOUNT_OVERLAY, MOUNT_TMPFS };

struct mount_spec {
  enum mount_kind kind;
  const char *target;
  bool readonly;
  /* bind */
  const char *source;
  bool recursive;
  /* overlay; a NULL upper is a read-only mount */
  struct overlay_spec overlay;
  const char *subpath;
  /* tmpfs; negative when not given */
  int64_t size_bytes;
  int64_t mode;
};

struct rlimit_spec {
  int resource;
  uint64_t soft;
  uint64_t hard;
};

#define SPEC_RLIMITS_MAX 32

struct container_spec {
  const char *id;
  /* Either a directory or an overlay. */
  const char *rootfs_directory;
  struct overlay_spec rootfs;
  bool readonly_rootfs;
  struct string_list args;
  struct string_list env;
  const char *cwd;
  bool cwd_owned_by_user;
  const char *user;
  const char *hostname;
  bool own_network;
  struct mount_spec *mounts;
  size_t mount_count;
  const char *etc_hosts;
  const char *etc_resolv_conf;
  const char *etc_hostname;
  bool etc_readonly;
  uint64_t shm_size_bytes;
  struct rlimit_spec rlimits[SPEC_RLIMITS_MAX];
  size_t rlimit_count;
  struct cgroup_resources resources;
  bool has_oom_score;
  int64_t oom_score;
  bool no_new_privileges;
  bool insecure;
  bool terminal;
  bool open_stdin;
  bool remove_stubs;
};

/*
 * Reads `size` bytes at `data` into `spec`, which must be zeroed; its strings point into `data`. Unknown keys, values that break a rule and a list that stops early are failures.
 * On failure too, `spec_free` must be called.
 */
int spec_parse(const uint8_t *data, size_t size, struct container_spec *spec, struct error *error);

/* Frees what `spec_parse` allocated; not the buffer. */
void spec_free(struct container_spec *spec);

#endif
