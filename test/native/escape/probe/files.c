#include "probe.h"

#include <dirent.h>

/* Opening is enough: nothing is ever written to what would take it. */
static long for_writing(const char *path) { return open(path, O_WRONLY); }

static long core_pattern(void) { return for_writing("/proc/sys/kernel/core_pattern"); }
static long modprobe(void) { return for_writing("/proc/sys/kernel/modprobe"); }
static long hotplug(void) { return for_writing("/proc/sys/kernel/hotplug"); }
static long binfmt(void) { return for_writing("/proc/sys/fs/binfmt_misc/register"); }
static long sysrq(void) { return for_writing("/proc/sysrq-trigger"); }
static long panic(void) { return for_writing("/proc/sys/kernel/panic"); }
static long host_sysctl(void) { return for_writing("/proc/sys/vm/overcommit_memory"); }
static long irq(void) { return for_writing("/proc/irq/default_smp_affinity"); }
static long uevent_helper(void) { return for_writing("/sys/kernel/uevent_helper"); }
static long uevent(void) { return for_writing("/sys/devices/system/cpu/cpu0/uevent"); }
static long module_parameter(void) { return for_writing("/sys/module/kernel/parameters/panic"); }

/* Masks look like the null device: what counts is that nothing comes out. */
static long has_content(const char *path) {
  int fd = open(path, O_RDONLY);
  char byte;
  if (fd < 0)
    return -1;
  if (read(fd, &byte, 1) == 1)
    return 0;
  errno = ENODATA;
  return -1;
}
static long kernel_memory(void) { return has_content("/proc/kcore"); }
static long keys(void) { return has_content("/proc/keys"); }
static long timers(void) { return has_content("/proc/timer_list"); }
static long interrupts(void) { return has_content("/proc/interrupts"); }
static long has_entries(const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL)
    return -1;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] != '.')
      return 0;
  }
  errno = ENODATA;
  return -1;
}
static long firmware(void) { return has_entries("/sys/firmware"); }
static long power(void) { return has_entries("/sys/devices/virtual/powercap"); }

/* The first group below /sys/fs/cgroup that has this file, in either version. */
static int open_in_group(const char *name) {
  char path[320];
  DIR *groups = opendir("/sys/fs/cgroup");
  snprintf(path, sizeof path, "/sys/fs/cgroup/%s", name);
  int fd = open(path, O_WRONLY);
  int code = errno;
  for (struct dirent *entry; fd < 0 && code == ENOENT && groups != NULL && (entry = readdir(groups)) != NULL;) {
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", entry->d_name, name);
    fd = entry->d_name[0] == '.' ? -1 : open(path, O_WRONLY);
    code = fd < 0 && entry->d_name[0] != '.' ? errno : code;
  }
  errno = code;
  return fd;
}
static long join_group(void) { return open_in_group("cgroup.procs"); }
static long allow_devices(void) { return open_in_group("devices.allow"); }
static long release_agent(void) { return open_in_group("release_agent"); }
static long make_group(void) {
  const char *path = access("/sys/fs/cgroup/devices", F_OK) == 0 ? "/sys/fs/cgroup/devices/made" : "/sys/fs/cgroup/made";
  /* Removed at once, or the container's own group could not be. */
  return mkdir(path, 0755) < 0 ? -1 : rmdir(path);
}
/* CVE-2019-5736: the program behind /proc/self/exe must be the container's own and, as it runs, not writable. */
static long own_program(void) { return for_writing("/proc/self/exe"); }
static long first_program(void) { return for_writing("/proc/1/exe"); }
static long kernel_messages(void) { return open("/proc/kmsg", O_RDONLY | O_NONBLOCK); }
static long allocator(void) { return for_writing("/proc/sys/vm/drop_caches"); }
static long host_name_file(void) { return for_writing("/proc/sys/kernel/hostname"); }
static long id_map(void) {
  int fd = open("/proc/1/uid_map", O_WRONLY);
  return fd < 0 ? -1 : write(fd, "0 0 1", 5);
}

const struct attempt file_attempts[] = {{"core-pattern", core_pattern},
                                        {"modprobe", modprobe},
                                        {"hotplug", hotplug},
                                        {"binfmt", binfmt},
                                        {"sysrq", sysrq},
                                        {"panic", panic},
                                        {"sysctl", host_sysctl},
                                        {"irq", irq},
                                        {"uevent-helper", uevent_helper},
                                        {"uevent", uevent},
                                        {"module-parameter", module_parameter},
                                        {"kcore", kernel_memory},
                                        {"keys", keys},
                                        {"timers", timers},
                                        {"interrupts", interrupts},
                                        {"firmware", firmware},
                                        {"powercap", power},
                                        {"cgroup-procs", join_group},
                                        {"devices-allow", allow_devices},
                                        {"release-agent", release_agent},
                                        {"cgroup-mkdir", make_group},
                                        {"own-exe", own_program},
                                        {"first-exe", first_program},
                                        {"proc-kmsg", kernel_messages},
                                        {"drop-caches", allocator},
                                        {"hostname-file", host_name_file},
                                        {"uid-map", id_map},
                                        {NULL, NULL}};
