#include "profile.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "stage.h"
#include "syscalls.h"
#include "terminal.h"
#include "userns.h"

#define COUNT(array) (sizeof array / sizeof array[0])
#define NO_DEVICE_CODE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static const char *const masked[] = {
    "/proc/acpi",        "/proc/asound",     "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list",  "/proc/timer_stats", "/sys/firmware",    "/sys/devices/virtual/powercap"};
static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

#define DEVICE(name, mode, major, minor) {"/dev/" name, mode, major, minor, 0, 0, false}
#define OPTIONAL(name, mode, major, minor) {"/dev/" name, mode, major, minor, 0, 0, true}
static const struct device_spec devices[] = {
    DEVICE("null", S_IFCHR | 0666, 1, 3),    DEVICE("zero", S_IFCHR | 0666, 1, 5),
    DEVICE("full", S_IFCHR | 0666, 1, 7),    DEVICE("random", S_IFCHR | 0666, 1, 8),
    DEVICE("urandom", S_IFCHR | 0666, 1, 9), DEVICE("tty", S_IFCHR | 0666, 5, 0),
    /* From here on for insecure containers only. */
    OPTIONAL("kmsg", S_IFCHR | 0644, 1, 11),   OPTIONAL("cuse", S_IFCHR | 0600, 10, 203),
    OPTIONAL("fuse", S_IFCHR | 0666, 10, 229), OPTIONAL("kvm", S_IFCHR | 0660, 10, 232),
    OPTIONAL("net/tun", S_IFCHR | 0666, 10, 200), OPTIONAL("loop-control", S_IFCHR | 0660, 10, 237),
    OPTIONAL("loop0", S_IFBLK | 0660, 7, 0),   OPTIONAL("loop1", S_IFBLK | 0660, 7, 1),
    OPTIONAL("loop2", S_IFBLK | 0660, 7, 2),   OPTIONAL("loop3", S_IFBLK | 0660, 7, 3),
    OPTIONAL("loop4", S_IFBLK | 0660, 7, 4),   OPTIONAL("loop5", S_IFBLK | 0660, 7, 5),
    OPTIONAL("loop6", S_IFBLK | 0660, 7, 6),   OPTIONAL("loop7", S_IFBLK | 0660, 7, 7),
};
#define SECURE_DEVICES 6

#define USE (DEVICE_MKNOD | DEVICE_READ | DEVICE_WRITE)
/* The devices above and pseudo terminals, with the console; mknod of all, which alone opens nothing. */
static const struct device_rule device_rules[] = {
    {false, 'a', -1, -1, USE}, {true, 'c', -1, -1, DEVICE_MKNOD}, {true, 'b', -1, -1, DEVICE_MKNOD},
    {true, 'c', 1, 3, USE},    {true, 'c', 1, 5, USE},            {true, 'c', 1, 7, USE},
    {true, 'c', 1, 8, USE},    {true, 'c', 1, 9, USE},            {true, 'c', 5, 0, USE},
    {true, 'c', 5, 1, USE},    {true, 'c', 5, 2, USE},            {true, 'c', 136, -1, USE},
};

#define BIT(capability) (UINT64_C(1) << (capability))
static const uint64_t default_capabilities =
    BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) | BIT(CAP_FOWNER) | BIT(CAP_MKNOD) | BIT(CAP_NET_RAW) |
    BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SETFCAP) | BIT(CAP_SETPCAP) | BIT(CAP_NET_BIND_SERVICE) |
    BIT(CAP_SYS_CHROOT) | BIT(CAP_KILL) | BIT(CAP_AUDIT_WRITE);

struct mount_list {
  struct mount_spec *items;
  size_t count;
};

static struct mount_spec *add_fs(struct mount_list *list, const char *type, const char *source, const char *target,
                                 uint64_t flags) {
  struct mount_spec *mount = &list->items[list->count++];
  *mount = (struct mount_spec){
      .kind = MOUNT_FS, .type = type, .source = source, .target = target, .flags = {.set = flags}, .is_system = true};
  return mount;
}

static void add_option(struct mount_spec *mount, const char *name, const char *value) {
  mount->options[mount->option_count++] = (struct fs_option){name, value};
}

#define STANDARD_MOUNTS 7

static void add_standard(const struct profile *profile, struct container_spec *spec, struct mount_list *list) {
  const uint64_t readonly_flag = profile->insecure ? 0 : MOUNT_ATTR_RDONLY;
  add_fs(list, "proc", "proc", "/proc", NO_DEVICE_CODE);
  struct mount_spec *mount = add_fs(list, "tmpfs", "tmpfs", "/dev", MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
  add_option(mount, "mode", "755");
  add_option(mount, "size", "65536k");
  mount = add_fs(list, "devpts", "devpts", "/dev/pts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  add_option(mount, "ptmxmode", "0666");
  add_option(mount, "mode", "0620");
  if (userns_has_gid(TTY_GROUP))
    add_option(mount, "gid", "5");
  mount = add_fs(list, "tmpfs", "shm", "/dev/shm", NO_DEVICE_CODE);
  add_option(mount, "mode", "1777");
  add_option(mount, "size", spec_format(spec, "%" PRIu64, profile->shm_size_bytes));
  add_fs(list, "mqueue", "mqueue", "/dev/mqueue", NO_DEVICE_CODE);
  add_fs(list, "sysfs", "sysfs", "/sys", NO_DEVICE_CODE | readonly_flag);
  list->items[list->count++] = (struct mount_spec){.kind = MOUNT_CGROUP,
                                                   .source = "cgroup",
                                                   .target = "/sys/fs/cgroup",
                                                   .flags = {.set = NO_DEVICE_CODE | readonly_flag},
                                                   .is_system = true};
}

static void add_etc(const struct profile *profile, const struct mount_list *asked, struct mount_list *list) {
  const struct {
    const char *source;
    const char *target;
  } files[] = {{profile->etc_hosts, "/etc/hosts"},
               {profile->etc_resolv_conf, "/etc/resolv.conf"},
               {profile->etc_hostname, "/etc/hostname"}};
  for (size_t i = 0; i < COUNT(files); i++) {
    bool given = files[i].source == NULL;
    for (size_t j = 0; j < asked->count && !given; j++)
      given = strcmp(asked->items[j].target, files[i].target) == 0;
    if (given)
      continue;
    list->items[list->count++] =
        (struct mount_spec){.kind = MOUNT_BIND,
                            .source = files[i].source,
                            .target = files[i].target,
                            .flags = {.set = profile->etc_readonly ? NO_DEVICE_CODE | MOUNT_ATTR_RDONLY : 0}};
  }
}

static int fill_mounts(const struct profile *profile, struct container_spec *spec) {
  const struct mount_list asked = {spec->mounts, spec->mount_count};
  struct mount_list list = {.items = spec_allocate(spec, (STANDARD_MOUNTS + asked.count + 3) * sizeof *list.items)};
  if (list.items == NULL)
    return -1;
  add_standard(profile, spec, &list);
  for (size_t i = 0; i < asked.count; i++)
    list.items[list.count++] = asked.items[i];
  add_etc(profile, &asked, &list);
  spec->mounts = list.items;
  spec->mount_count = list.count;
  return 0;
}

/*
 * Each processor has a directory that tells when it was throttled, which depends on what other containers do. What the
 * machine has is looked up once.
 */
static size_t throttle_paths(const char *const **paths) {
  static const char *found[4096];
  static size_t count = 0;
  static bool known;
  DIR *entries = known ? NULL : opendir("/sys/devices/system/cpu");
  known = true;
  for (struct dirent *entry; entries != NULL && count < COUNT(found) && (entry = readdir(entries)) != NULL;) {
    char *path;
    struct stat status;
    if (strncmp(entry->d_name, "cpu", 3) != 0 || entry->d_name[3] < '0' || entry->d_name[3] > '9' ||
        asprintf(&path, "/sys/devices/system/cpu/%s/thermal_throttle", entry->d_name) < 0)
      continue;
    if (stat(path, &status) == 0)
      found[count++] = path;
    else
      free(path);
  }
  if (entries != NULL)
    closedir(entries);
  *paths = found;
  return count;
}

static int fill_masks(struct container_spec *spec) {
  const char *const *throttles;
  const size_t throttle_count = throttle_paths(&throttles);
  const size_t count = COUNT(masked) + throttle_count;
  spec->masked_paths.items = malloc((count + 1) * sizeof(char *));
  spec->readonly_paths.items = malloc(sizeof readonly + sizeof(char *));
  if (spec->masked_paths.items == NULL || spec->readonly_paths.items == NULL)
    return -1;
  memcpy(spec->masked_paths.items, masked, sizeof masked);
  memcpy(spec->masked_paths.items + COUNT(masked), throttles, throttle_count * sizeof(char *));
  memcpy(spec->readonly_paths.items, readonly, sizeof readonly);
  spec->masked_paths.items[count] = spec->readonly_paths.items[COUNT(readonly)] = NULL;
  spec->masked_paths.count = count;
  spec->readonly_paths.count = COUNT(readonly);
  return 0;
}

int profile_fill(const struct profile *profile, struct container_spec *spec, struct error *error) {
  spec->namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
  spec->umask = 0022;
  spec->devices = (struct device_spec *)(uintptr_t)devices;
  spec->device_count = profile->insecure ? COUNT(devices) : SECURE_DEVICES;
  if (fill_mounts(profile, spec) < 0)
    return fail(error, STAGE_SUPERVISOR, ENOMEM, "mounts");
  const uint64_t bounding = profile->insecure ? UINT64_MAX : default_capabilities;
  spec->capabilities = (struct capability_sets){.bounding = bounding,
                                                .permitted = bounding,
                                                .effective = bounding,
                                                .inheritable = profile->insecure ? bounding : 0,
                                                .ambient = profile->insecure ? bounding : 0,
                                                .only_root = !profile->insecure};
  if (profile->insecure)
    return 0;
  spec->device_rules = device_rules;
  spec->device_rule_count = COUNT(device_rules);
  if (fill_masks(spec) < 0)
    return fail(error, STAGE_SUPERVISOR, ENOMEM, "masked paths");
  spec->seccomp = seccomp_default();
  return spec->seccomp == NULL ? fail(error, STAGE_SECCOMP, ENOMEM, "filter") : 0;
}
