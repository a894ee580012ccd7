/* Runs inside a test container and prints what the kernel lets it do, one fact a line. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void tell(const char *name, long result) {
  printf("%s=%s\n", name, result < 0 ? strerrorname_np(errno) : "ok");
}

static void tell_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  printf("fds=");
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
      printf("%s ", entry->d_name);
  }
  printf("\n");
}

static void tell_signals(void) {
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, NULL, &blocked);
  printf("signals=");
  for (int number = 1; number < 32; number++) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
      printf("ignored:%d ", number);
    if (sigismember(&blocked, number))
      printf("blocked:%d ", number);
  }
  printf("\n");
}

static void tell_socket(const char *name, int family, int type) {
  int fd = socket(family, type, 0);
  tell(name, fd);
  if (fd >= 0)
    close(fd);
}

int main(void) {
  tell_descriptors();
  tell_signals();
  uint64_t clone_args[11] = {0};
  tell("clone3", syscall(435, clone_args, sizeof clone_args));
  tell("keyctl", syscall(__NR_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
  tell("add_key", syscall(__NR_add_key, "user", "x", "y", 1, KEY_SPEC_PROCESS_KEYRING));
  tell_socket("socket-inet", AF_INET, SOCK_STREAM);
  tell_socket("socket-unix", AF_UNIX, SOCK_STREAM);
  tell_socket("socket-alg", AF_ALG, SOCK_SEQPACKET);
  tell_socket("socket-vsock", AF_VSOCK, SOCK_STREAM);
  tell("unshare-user", unshare(CLONE_NEWUSER));
  tell("unshare-mount", unshare(CLONE_NEWNS));
  tell("clone-user", syscall(__NR_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
  tell("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
  tell("io_uring_setup", syscall(425, 1, NULL));
  tell("userfaultfd", syscall(323, 0));
  tell("bpf", syscall(__NR_bpf, 0, NULL, 0));
  tell("personality-read", personality(0xffffffff));
  tell("personality-norandomize", personality(ADDR_NO_RANDOMIZE));
  tell("setns", setns(0, 0));
  tell("open_by_handle_at", syscall(__NR_open_by_handle_at, 0, NULL, 0));
  tell("unknown", syscall(100000));
  tell("chroot", chroot("/"));
  tell("mknod", mknod("/tmp/disk", S_IFBLK | 0600, 0x801));
  tell("no-new-privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : (errno = ENODATA, -1));
  int death = 0;
  prctl(PR_GET_PDEATHSIG, &death);
  printf("death-signal=%d\n", death);
  printf("session=%s\n", getsid(0) == getpid() ? "own" : "shared");
  printf("umask=%03o\n", (unsigned)umask(0));
  printf("pid=%d\n", (int)getpid());
  return 0;
}
