/*
 * The description of a container: everything that init.c carries out. It is filled and checked whole before anything is
 * done, by spec.c and profile.c for tsbuild's own containers, and by oci_config.c from a config.json.
 */
#ifndef TSBUILD_SPEC_H
#define TSBUILD_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup_resources.h"
#include "error.h"
#include "mount_fs.h"
#include "net_ports.h"
#include "seccomp.h"
#include "net_worker.h"

#define SPEC_MAGIC "TSBSPEC1"
#define SPEC_SIZE_MAX (16u << 20)
#define SPEC_LOWER_MAX 500
#define SPEC_MOUNTS_MAX 512
#define SPEC_STRINGS_MAX 65536
#define SPEC_RUNTIME_FLAGS_MAX 8
#define SPEC_PATH_MAX 4096

/* NULL-terminated once parsed; the strings point into the buffer that was parsed, or into the description's own memory. */
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
  /* Not of the description: a mount that was made of it; 0 for none. */
  int made;
};

enum mount_kind {
  /* What is at a path of the host. */
  MOUNT_BIND,
  /* A stack of layers. */
  MOUNT_OVERLAY,
  /* A new file system of any type. */
  MOUNT_FS,
  /* The container's own control groups. */
  MOUNT_CGROUP,
};

/* Flags of a mount, MOUNT_ATTR_*. */
struct mount_flags {
  uint64_t set;
  uint64_t clear;
};

#define FS_OPTIONS_MAX 24

struct mount_spec {
  enum mount_kind kind;
  const char *target;
  struct mount_flags flags;
  /* For it and all that is mounted below it. */
  struct mount_flags flags_below;
  /* MS_SHARED and so on, perhaps with MS_REC; 0 to leave it as it is. */
  unsigned long propagation;
  /*
   * The target must be a real directory: with a link there, an image would choose what is mounted over. What is missing
   * is made, and stays.
   */
  bool is_system;
  /* bind: the path; else what the mount table says. */
  const char *source;
  /* bind: with all that is mounted below it */
  bool recursive;
  /* overlay; a NULL upper is a read-only mount */
  struct overlay_spec overlay;
  const char *subpath;
  /* fs */
  const char *type;
  struct fs_option options[FS_OPTIONS_MAX];
  size_t option_count;
  /* fs: takes the mode of the directory that it covers. */
  bool takes_mode;
};

struct rlimit_spec {
  int resource;
  uint64_t soft;
  uint64_t hard;
};

#define SPEC_RLIMITS_MAX 32

struct device_spec {
  /* Below /dev, or an absolute path anywhere else. */
  const char *path;
  /* With its type. */
  mode_t mode;
  unsigned major;
  unsigned minor;
  uid_t uid;
  gid_t gid;
  /* Where it cannot be made and the host has none, there is none. */
  bool is_optional;
};

#define SPEC_DEVICES_MAX 256

/* Which devices the processes may use. Of several rules for one device the last counts. */
struct device_rule {
  bool allow;
  /* `c`, `b`, or `a` for both. */
  char type;
  /* Negative: any. */
  int64_t major;
  int64_t minor;
  /* DEVICE_*. */
  unsigned access;
};
enum { DEVICE_MKNOD = 1, DEVICE_READ = 2, DEVICE_WRITE = 4 };

struct capability_sets {
  uint64_t bounding;
  uint64_t effective;
  uint64_t permitted;
  uint64_t inheritable;
  uint64_t ambient;
  /* A user other than root gets neither permitted nor effective ones. */
  bool only_root;
};

struct sysctl_spec {
  /* Below /proc/sys. */
  const char *path;
  const char *value;
};

struct id_map {
  uint32_t inside;
  uint32_t outside;
  uint32_t count;
};

/* A namespace that exists already. */
struct namespace_join {
  /* CLONE_NEWNET and so on. */
  uint64_t type;
  const char *path;
};

struct clock_offset {
  const char *clock;
  int64_t seconds;
  uint32_t nanoseconds;
};

struct hook {
  const char *path;
  struct string_list args;
  struct string_list env;
  /* 0 for none. */
  unsigned timeout_seconds;
};

enum hook_kind {
  HOOK_PRESTART,
  HOOK_CREATE_RUNTIME,
  HOOK_CREATE_CONTAINER,
  HOOK_START_CONTAINER,
  HOOK_POSTSTART,
  HOOK_POSTSTOP,
  HOOK_KINDS,
};

struct hook_list {
  struct hook *items;
  size_t count;
};

/* One value of a control group, for one version. */
struct cgroup_setting {
  const char *controller;
  const char *file;
  const char *value;
};

#define SPEC_NAMESPACES_MAX 8
#define SPEC_CGROUP_SETTINGS_MAX 256

enum network_kind { NETWORK_HOST, NETWORK_NONE, NETWORK_BRIDGE, NETWORK_PROCESS };

/* A network of tsbuild's own making; one that is among `namespaces` or joined counts as the host's here. */
struct network_spec {
  enum network_kind kind;
  enum net_role role;
  struct net_config bridge;
  /* Where the container's address is written down, and under which name; no name: nowhere. */
  const char *hosts_file;
  const char *hosts_name;
  /* Whose network is joined, and when it was started, in clock ticks from boot; for NETWORK_PROCESS. */
  pid_t process;
  uint64_t process_start;
  struct published_port *ports;
  size_t port_count;
};

/* Another OCI runtime that makes the container and starts its process; see external.h. */
struct external_runtime {
  /* NULL: this one does. */
  const char *path;
  /* Before the command, for it to make no control groups of its own. */
  struct string_list flags;
};

struct container_spec {
  const char *id;
  struct external_runtime runtime;

  /* Its root: either a directory or an overlay. */
  const char *rootfs_directory;
  struct overlay_spec rootfs;
  bool readonly_rootfs;
  /* MS_* for the root's mount; 0 is private. */
  unsigned long root_propagation;
  struct mount_spec *mounts;
  size_t mount_count;
  struct string_list masked_paths;
  struct string_list readonly_paths;
  struct device_spec *devices;
  size_t device_count;
  bool remove_stubs;

  /* Its namespaces: CLONE_NEW* of those that are made. */
  uint64_t namespaces;
  struct namespace_join joins[SPEC_NAMESPACES_MAX];
  size_t join_count;
  struct id_map *uid_maps, *gid_maps;
  size_t uid_map_count, gid_map_count;
  struct clock_offset clock_offsets[2];
  size_t clock_offset_count;
  /* NULL: as it is. */
  const char *hostname;
  struct network_spec network;
  const char *domainname;
  struct sysctl_spec *sysctls;
  size_t sysctl_count;

  struct cgroup_resources resources;
  /* Its control group: NULL for a place of tsbuild's. */
  const char *cgroup_path;
  /* NULL: every device. */
  const struct device_rule *device_rules;
  size_t device_rule_count;
  struct cgroup_setting *cgroup_settings;
  size_t cgroup_setting_count;

  /* Its process. */
  struct string_list args;
  struct string_list env;
  const char *cwd;
  bool cwd_owned_by_user;
  /* Looked up in the container's files; NULL for the numbers. */
  const char *user;
  uid_t uid;
  gid_t gid;
  gid_t *groups;
  size_t group_count;
  mode_t umask;
  struct rlimit_spec rlimits[SPEC_RLIMITS_MAX];
  size_t rlimit_count;
  struct capability_sets capabilities;
  bool no_new_privileges;
  /* NULL: none. */
  const struct seccomp_program *seccomp;
  bool has_personality;
  unsigned long personality;
  bool has_oom_score;
  int oom_score;
  bool terminal;
  bool open_stdin;
  /* The command is not the first process, which is one that takes up orphans. */
  bool has_init;

  struct hook_list hooks[HOOK_KINDS];

  /* Memory of the description itself. */
  struct spec_memory *memory;
};

/*
 * Reads `size` bytes at `data` into `spec`, which must be zeroed; its strings point into `data`. The format is flat: keys and
 * values; docs/runtime.md describes it. Unknown keys, values that break a rule and a list that stops early are failures.
 * On failure too, `spec_free` must be called.
 */
int spec_parse(const uint8_t *data, size_t size, struct container_spec *spec, struct error *error);

/* Zeroed memory that lives as long as the description; NULL when there is none. */
void *spec_allocate(struct container_spec *spec, size_t size);
/* A string there. */
const char *spec_format(struct container_spec *spec, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees everything but the buffer that was parsed. */
void spec_free(struct container_spec *spec);

#endif
