#include "probe.h"

#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

/* Does not exist in any container; main.c sets it to a process that is really there, outside. */
pid_t outside = 4000000;

/* The process outside runs this program too, which is linked to fixed addresses. */
static const char here = 'x';

static long in_proc(const char *name, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", outside, name);
  return open(path, flags);
}

/* Seized and not attached: it would be stopped. */
static long trace(void) { return ptrace(PTRACE_SEIZE, outside, 0, 0); }
static long send_signal(void) { return kill(outside, 0); }
static long open_pidfd(void) { return syscall(__NR_pidfd_open, outside, 0); }
static long read_memory(void) {
  char byte;
  struct iovec local = {&byte, 1}, remote = {(void *)(uintptr_t)&here, 1};
  return process_vm_readv(outside, &local, 1, &remote, 1, 0);
}
static long read_memory_file(void) {
  char byte;
  int fd = (int)in_proc("mem", O_RDWR);
  return fd < 0 ? -1 : pread(fd, &byte, 1, (off_t)(uintptr_t)&here);
}
static long read_environment(void) {
  char byte;
  int fd = (int)in_proc("environ", O_RDONLY);
  return fd < 0 ? -1 : read(fd, &byte, 1);
}
static long enter_mounts(void) {
  int fd = (int)in_proc("ns/mnt", O_RDONLY);
  return fd < 0 ? -1 : setns(fd, CLONE_NEWNS);
}
static long enter_root(void) { return in_proc("root/.", O_RDONLY | O_DIRECTORY); }
static long enter_directory(void) { return in_proc("cwd/.", O_RDONLY | O_DIRECTORY); }
static long list_descriptors(void) { return in_proc("fd", O_RDONLY | O_DIRECTORY); }
static long list_mapped_files(void) { return in_proc("map_files", O_RDONLY | O_DIRECTORY); }
static long open_program(void) { return in_proc("exe", O_RDONLY); }
static long give_up_to_oom(void) { return in_proc("oom_score_adj", O_WRONLY); }
static long raise_limit(void) {
  struct rlimit limit;
  return prlimit(outside, RLIMIT_CORE, NULL, &limit);
}
static long get_affinity(void) {
  cpu_set_t set;
  return sched_getaffinity(outside, sizeof set, &set);
}
static long get_group(void) { return getpgid(outside); }

static long signal_parent(void) {
  /* The parent of the first process is outside, and its number is 0, which would mean one's own group. */
  FILE *status = fopen("/proc/1/status", "r");
  char line[256];
  long parent = 0;
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    sscanf(line, "PPid: %ld", &parent);
  if (parent == 0) {
    errno = ESRCH;
    return -1;
  }
  return kill((pid_t)parent, 0);
}

const struct attempt outside_attempts[] = {{"ptrace-outside", trace},
                                           {"signal-outside", send_signal},
                                           {"signal-parent", signal_parent},
                                           {"pidfd-outside", open_pidfd},
                                           {"vm-read-outside", read_memory},
                                           {"memory-outside", read_memory_file},
                                           {"environment-outside", read_environment},
                                           {"mounts-outside", enter_mounts},
                                           {"root-outside", enter_root},
                                           {"directory-outside", enter_directory},
                                           {"descriptors-outside", list_descriptors},
                                           {"map-files", list_mapped_files},
                                           {"program-outside", open_program},
                                           {"oom-outside", give_up_to_oom},
                                           {"limit-outside", raise_limit},
                                           {"affinity-outside", get_affinity},
                                           {"group-outside", get_group},
                                           {NULL, NULL}};
