#include "probe.h"

#include <linux/sched.h>

static long new_user(void) { return unshare(CLONE_NEWUSER); }
static long new_mounts(void) { return unshare(CLONE_NEWNS); }
static long new_network(void) { return unshare(CLONE_NEWNET); }
static long new_pids(void) { return unshare(CLONE_NEWPID); }
static long new_ipc(void) { return unshare(CLONE_NEWIPC); }
static long new_names(void) { return unshare(CLONE_NEWUTS); }
static long new_cgroups(void) { return unshare(CLONE_NEWCGROUP); }
static long new_time(void) { return unshare(0x80 /* CLONE_NEWTIME */); }

static long clone_with(unsigned long flags) {
  long pid = syscall(__NR_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0)
    _exit(0);
  return pid;
}
static long clone_user(void) { return clone_with(CLONE_NEWUSER); }
static long clone_mounts(void) { return clone_with(CLONE_NEWNS); }
/* The filter sees 64 bits of flags, the kernel uses 32. */
static long clone_high_bits(void) { return clone_with(CLONE_NEWUSER | 1ul << 40); }

/* A filter cannot see flags that are in memory. */
static long clone3_user(void) {
  struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long pid = syscall(__NR_clone3, &args, sizeof args);
  if (pid == 0)
    _exit(0);
  return pid;
}

static long enter(const char *path) {
  int fd = open(path, O_RDONLY);
  return fd < 0 ? -1 : setns(fd, 0);
}
static long enter_own_mounts(void) { return enter("/proc/1/ns/mnt"); }
static long enter_own_network(void) { return enter("/proc/1/ns/net"); }
static long enter_by_pidfd(void) {
  int fd = (int)syscall(__NR_pidfd_open, 1, 0);
  return fd < 0 ? -1 : setns(fd, CLONE_NEWNS);
}
/* ioctl_nsfs(2): from a namespace to the one that owns it or is above it. */
static long parent_of_pids(void) {
  int fd = open("/proc/self/ns/pid", O_RDONLY);
  return fd < 0 ? -1 : syscall(__NR_ioctl, fd, 0xb702 /* NS_GET_PARENT */);
}

static long set_host_name(void) { return sethostname("x", 1); }
static long set_domain_name(void) { return setdomainname("x", 1); }

const struct attempt namespace_attempts[] = {{"unshare-user", new_user},
                                             {"unshare-mount", new_mounts},
                                             {"unshare-net", new_network},
                                             {"unshare-pid", new_pids},
                                             {"unshare-ipc", new_ipc},
                                             {"unshare-uts", new_names},
                                             {"unshare-cgroup", new_cgroups},
                                             {"unshare-time", new_time},
                                             {"clone-user", clone_user},
                                             {"clone-mount", clone_mounts},
                                             {"clone-high-bits", clone_high_bits},
                                             {"clone3-user", clone3_user},
                                             {"setns-mount", enter_own_mounts},
                                             {"setns-net", enter_own_network},
                                             {"setns-pidfd", enter_by_pidfd},
                                             {"ns-get-parent", parent_of_pids},
                                             {"sethostname", set_host_name},
                                             {"setdomainname", set_domain_name},
                                             {NULL, NULL}};
