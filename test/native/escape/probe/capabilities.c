#include "probe.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static int read_sets(struct __user_cap_data_struct data[2]) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  return (int)syscall(__NR_capget, &header, data);
}
static int write_sets(const struct __user_cap_data_struct data[2]) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  return (int)syscall(__NR_capset, &header, data);
}

#define ADMIN (1u << CAP_SYS_ADMIN)

static long raise_effective(void) {
  struct __user_cap_data_struct data[2];
  if (read_sets(data) < 0)
    return -1;
  data[0].effective |= ADMIN;
  return write_sets(data);
}
static long raise_permitted(void) {
  struct __user_cap_data_struct data[2];
  if (read_sets(data) < 0)
    return -1;
  data[0].permitted |= ADMIN;
  return write_sets(data);
}
/* CAP_SETPCAP adds to the inheritable set what is in the bounding set, and no more: CVE-2022-24769. */
static long raise_inheritable(void) {
  struct __user_cap_data_struct data[2];
  if (read_sets(data) < 0)
    return -1;
  data[0].inheritable |= ADMIN;
  return write_sets(data);
}
static long raise_ambient(void) { return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0); }
static long in_bounding_set(void) {
  long present = prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0);
  if (present == 1)
    return 0;
  errno = EPERM;
  return -1;
}
static long starts_inheritable(void) {
  struct __user_cap_data_struct data[2];
  if (read_sets(data) < 0)
    return -1;
  errno = EPERM;
  return data[0].inheritable != 0 || data[1].inheritable != 0 ? 0 : -1;
}

/* A program that has a capability as an attribute of its file: the bounding set must hold it back. */
static long file_capability(void) {
  static const struct vfs_cap_data wanted = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
                                             .data = {{.permitted = ADMIN}, {0}}};
  static const char path[] = "/tmp/capable";
  int from = open("/bin/busybox", O_RDONLY), to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  if (from < 0 || to < 0)
    return -1;
  static char block[1 << 16];
  for (ssize_t size; (size = read(from, block, sizeof block)) > 0;) {
    if (write(to, block, (size_t)size) != size)
      return -1;
  }
  if (close(to) < 0 || setxattr(path, "security.capability", &wanted, sizeof wanted, 0) < 0)
    return -1;
  pid_t pid = fork();
  if (pid == 0) {
    if (setresuid(1000, 1000, 1000) < 0)
      _exit(125);
    execl(path, "true", NULL);
    _exit(errno == EPERM ? 1 : 126);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  unlink(path);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return 0;
  errno = WIFEXITED(status) && WEXITSTATUS(status) == 1 ? EPERM : EIO;
  return -1;
}

/* Keeps capabilities over a change of ids; there are none worth it. */
static long after_setuid(void) {
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(1000, 1000, 1000) < 0)
    return -1;
  return raise_effective();
}
static long remove_seccomp(void) { return prctl(PR_SET_SECCOMP, 0 /* disabled */, NULL, 0, 0); }
static long write_trusted_attribute(void) {
  int fd = open("/tmp/trusted", O_WRONLY | O_CREAT, 0600);
  return fd < 0 ? -1 : fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0);
}
static long redirect_overlay(void) {
  if (mkdir("/tmp/redirected", 0755) < 0)
    return -1;
  return setxattr("/tmp/redirected", "trusted.overlay.redirect", "/", 1, 0);
}

const struct attempt capability_attempts[] = {{"cap-effective", raise_effective},
                                              {"cap-permitted", raise_permitted},
                                              {"cap-inheritable", raise_inheritable},
                                              {"cap-ambient", raise_ambient},
                                              {"cap-bounding", in_bounding_set},
                                              {"cap-inherited", starts_inheritable},
                                              {"cap-file", file_capability},
                                              {"cap-after-setuid", after_setuid},
                                              {"seccomp-off", remove_seccomp},
                                              {"xattr-trusted", write_trusted_attribute},
                                              {"xattr-redirect", redirect_overlay},
                                              {NULL, NULL}};
