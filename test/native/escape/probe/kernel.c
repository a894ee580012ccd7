#include "probe.h"

#include <linux/keyctl.h>
#include <linux/reboot.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timex.h>

/* Arguments are such that a caller with all rights gets another error, or changes nothing. */
static long bpf(void) { return syscall(__NR_bpf, 5 /* BPF_PROG_LOAD */, NULL, 0); }
static long key_read(void) { return syscall(__NR_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1); }
static long key_add(void) { return syscall(__NR_add_key, "user", "probe", "x", 1, KEY_SPEC_PROCESS_KEYRING); }
static long key_request(void) { return syscall(__NR_request_key, "user", "probe", NULL, 0); }
static long userfault(void) { return syscall(__NR_userfaultfd, O_CLOEXEC); }
static long io_uring(void) {
  uint32_t parameters[30] = {0};
  return syscall(425 /* io_uring_setup */, 1, parameters);
}
/* Rings of another that are found by their descriptor. */
static long enter_io_uring(void) { return syscall(426 /* io_uring_enter */, -1, 0, 0, 0, NULL, 0); }
static long register_io_uring(void) { return syscall(427 /* io_uring_register */, -1, 0, NULL, 0); }
static long perf(void) {
  uint32_t attributes[32] = {1 /* software */, sizeof attributes};
  return syscall(__NR_perf_event_open, attributes, -1, 0, -1, 0);
}
static long kexec(void) { return syscall(__NR_kexec_load, 0, 0, NULL, ~0ul); }
static long kexec_file(void) { return syscall(__NR_kexec_file_load, -1, -1, 0, NULL, 0); }
static long load_module(void) { return syscall(__NR_init_module, NULL, 0, ""); }
static long load_module_file(void) { return syscall(__NR_finit_module, -1, "", 0); }
static long unload_module(void) { return syscall(__NR_delete_module, "no-such-module", O_NONBLOCK); }
static long restart(void) { return syscall(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, 0x12345678, NULL); }
static long swap(void) { return swapon("/etc/passwd", 0); }
static long set_time(void) {
  struct timeval now;
  return gettimeofday(&now, NULL) < 0 ? -1 : settimeofday(&now, NULL);
}
static long adjust_time(void) {
  struct timex change = {.modes = ADJ_ESTERROR};
  return adjtimex(&change);
}
static long kernel_log(void) { return klogctl(10 /* SYSLOG_ACTION_SIZE_BUFFER */, NULL, 0) < 0 ? -1 : klogctl(3, NULL, 0); }
static long account(void) { return acct("/no/such/file"); }
static long quota(void) { return syscall(__NR_quotactl, QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL); }
static long quota_by_descriptor(void) { return syscall(443 /* quotactl_fd */, -1, QCMD(Q_SYNC, USRQUOTA), 0, NULL); }
static long set_personality(void) { return personality(ADDR_NO_RANDOMIZE); }
static long watch_files(void) { return syscall(__NR_fanotify_init, 0, 0); }
static long by_handle(void) {
  /* The root of most file systems of the host: CVE-2014-9357's relative, "shocker". */
  struct {
    struct file_handle head;
    uint32_t inode[2];
  } handle = {.head = {.handle_bytes = 8, .handle_type = 1}, .inode = {2, 0}};
  int mount = open("/etc", O_RDONLY | O_DIRECTORY);
  return mount < 0 ? -1 : open_by_handle_at(mount, &handle.head, O_RDONLY);
}
static long crypto_socket(void) { return socket(AF_ALG, SOCK_SEQPACKET, 0); }
static long host_socket(void) { return socket(AF_VSOCK, SOCK_STREAM, 0); }
static long memory_policy(void) { return syscall(__NR_set_mempolicy, 0, NULL, 0); }
static long bind_memory(void) { return syscall(__NR_mbind, NULL, 0, 0, NULL, 0, 0); }
static long move_pages_of_other(void) { return syscall(__NR_move_pages, 1, 0, NULL, NULL, NULL, 0); }
static long set_security_attribute(void) { return syscall(460 /* lsm_set_self_attr */, 0, NULL, 0, 0); }
static long unknown_call(void) { return syscall(100000); }
static long hang_up(void) { return syscall(__NR_vhangup); }

#ifdef __x86_64__
#include <sys/io.h>
static long ports(void) { return ioperm(0x80, 1, 1); }
static long all_ports(void) { return iopl(3); }
static long x32(void) { return syscall(0x40000000 | __NR_mount, "none", "/tmp", "tmpfs", 0, NULL); }
static long in_32_bits(uint32_t number, uint32_t first) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
  if ((int)result >= 0)
    return result;
  errno = -(int)result;
  return -1;
}
static long unshare_in_32_bits(void) { return in_32_bits(310, CLONE_NEWUTS); }
static long personality_in_32_bits(void) { return in_32_bits(136, ADDR_NO_RANDOMIZE); }
static long key_in_32_bits(void) { return in_32_bits(288 /* keyctl */, 0); }
static long nfs_server(void) { return syscall(__NR_nfsservctl, 0, NULL, NULL); }
#endif

const struct attempt kernel_attempts[] = {{"bpf", bpf},
                                          {"keyctl", key_read},
                                          {"add-key", key_add},
                                          {"request-key", key_request},
                                          {"userfaultfd", userfault},
                                          {"io-uring", io_uring},
                                          {"io-uring-enter", enter_io_uring},
                                          {"io-uring-register", register_io_uring},
                                          {"perf", perf},
                                          {"kexec", kexec},
                                          {"kexec-file", kexec_file},
                                          {"init-module", load_module},
                                          {"finit-module", load_module_file},
                                          {"delete-module", unload_module},
                                          {"reboot", restart},
                                          {"swapon", swap},
                                          {"settimeofday", set_time},
                                          {"adjtimex", adjust_time},
                                          {"syslog", kernel_log},
                                          {"acct", account},
                                          {"quotactl", quota},
                                          {"quotactl-fd", quota_by_descriptor},
                                          {"personality", set_personality},
                                          {"fanotify", watch_files},
                                          {"open-by-handle", by_handle},
                                          {"af-alg", crypto_socket},
                                          {"af-vsock", host_socket},
                                          {"set-mempolicy", memory_policy},
                                          {"mbind", bind_memory},
                                          {"move-pages", move_pages_of_other},
                                          {"lsm-attribute", set_security_attribute},
                                          {"vhangup", hang_up},
                                          {"unknown-call", unknown_call},
#ifdef __x86_64__
                                          {"ioperm", ports},
                                          {"iopl", all_ports},
                                          {"x32-mount", x32},
                                          {"int80-unshare", unshare_in_32_bits},
                                          {"int80-personality", personality_in_32_bits},
                                          {"int80-keyctl", key_in_32_bits},
                                          {"nfsservctl", nfs_server},
#endif
                                          {NULL, NULL}};
