#include "probe.h"

#include <linux/kcmp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

static long outer_root(void) {
  struct stat own, first;
  if (stat("/", &own) < 0 || stat("/proc/1/root/.", &first) < 0)
    return -1;
  errno = EXDEV;
  return own.st_dev == first.st_dev && own.st_ino == first.st_ino ? -1 : 0;
}
/* A descriptor of the host that was left open leads out: CVE-2016-9962, CVE-2024-21626. */
static long leaked_directory(void) {
  struct stat root, found;
  if (stat("/", &root) < 0)
    return -1;
  for (int process = 0; process < 2; process++) {
    for (int fd = 0; fd < 4096; fd++) {
      char path[64];
      snprintf(path, sizeof path, "/proc/%s/fd/%d", process == 0 ? "self" : "1", fd);
      if (stat(path, &found) == 0 && (S_ISDIR(found.st_mode) || S_ISBLK(found.st_mode)))
        return fd;
    }
  }
  errno = ENOENT;
  return -1;
}
static long steal_descriptor(void) {
  int fd = (int)syscall(__NR_pidfd_open, 1, 0);
  return fd < 0 ? -1 : syscall(438 /* pidfd_getfd */, fd, 0, 0);
}
static long compare_kernel_objects(void) { return syscall(__NR_kcmp, 1, getpid(), KCMP_VM, 0, 0); }
static long advise_process(void) {
  int fd = (int)syscall(__NR_pidfd_open, 1, 0);
  struct iovec none = {NULL, 0};
  return fd < 0 ? -1 : syscall(440 /* process_madvise */, fd, &none, 1, 20 /* MADV_COLD */, 0);
}
/* Whatever the caller has been given. */
static long raise_priority(void) { return setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 1); }
static long raise_open_files(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
    return -1;
  limit.rlim_max++;
  return setrlimit(RLIMIT_NOFILE, &limit);
}
static long protect_from_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY);
  return fd < 0 ? -1 : write(fd, "-1000", 5);
}
static long real_time(void) {
  struct sched_param parameters = {.sched_priority = 1};
  return sched_setscheduler(0, SCHED_FIFO, &parameters);
}
/* Text for the shell that started tsbuild. */
static long type_into_terminal(void) { return ioctl(0, TIOCSTI, "x"); }
static long select_in_terminal(void) { return ioctl(0, TIOCLINUX, "\2"); }
static long open_terminal(void) { return open("/dev/tty", O_RDWR | O_NOCTTY); }

/* The file of the program and the size of the break are for CAP_SYS_RESOURCE: proc would tell another program. */
static long exchange_own_file(void) { return prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, -1, 0, 0); }
static long deadline(void) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {sizeof attributes, 6 /* SCHED_DEADLINE */, 0, 0, 0, 1000000, 10000000, 10000000};
  return syscall(__NR_sched_setattr, 0, &attributes, 0);
}
/* IOPRIO_WHO_PROCESS, the class of real time. */
static long real_time_input(void) { return syscall(__NR_ioprio_set, 1, 0, 1 << 13); }

const struct attempt process_attempts[] = {{"outer-root", outer_root},
                                           {"leaked-directory", leaked_directory},
                                           {"pidfd-getfd", steal_descriptor},
                                           {"kcmp", compare_kernel_objects},
                                           {"process-madvise", advise_process},
                                           {"nice", raise_priority},
                                           {"rlimit", raise_open_files},
                                           {"oom-score", protect_from_oom},
                                           {"real-time", real_time},
                                           {"deadline", deadline},
                                           {"io-priority", real_time_input},
                                           {"own-file", exchange_own_file},
                                           {"tiocsti", type_into_terminal},
                                           {"tioclinux", select_in_terminal},
                                           {"dev-tty", open_terminal},
                                           {NULL, NULL}};
