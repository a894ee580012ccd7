#include "probe.h"

#include <dirent.h>
#include <sys/sysmacros.h>

/* Makes a node and opens it; the node alone may be made, and is worth nothing. */
static long open_node(const char *path, mode_t kind, dev_t device) {
  unlink(path);
  if (mknod(path, kind | 0600, device) < 0)
    return -1;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  int code = errno;
  unlink(path);
  errno = code;
  return fd;
}

static long memory(void) { return open_node("/tmp/node", S_IFCHR, makedev(1, 1)); }
static long kernel_messages(void) { return open_node("/tmp/node", S_IFCHR, makedev(1, 11)); }
static long loop_control(void) { return open_node("/tmp/node", S_IFCHR, makedev(10, 237)); }
static long tunnel(void) { return open_node("/tmp/node", S_IFCHR, makedev(10, 200)); }
static long fuse(void) { return open_node("/tmp/node", S_IFCHR, makedev(10, 229)); }
static long virtual_console(void) { return open_node("/tmp/node", S_IFCHR, makedev(4, 0)); }

static long port(void) { return open_node("/tmp/node", S_IFCHR, makedev(1, 4)); }
static long virtual_machine(void) { return open_node("/tmp/node", S_IFCHR, makedev(10, 232)); }
static long host_network_queue(void) { return open_node("/tmp/node", S_IFCHR, makedev(10, 238)); }
/* Terminals are found by the devpts that the node is on, not by their number. */
static long terminal_by_number(void) { return open_node("/tmp/node", S_IFCHR, makedev(136, 0)); }
static long new_terminal_by_number(void) { return open_node("/tmp/node", S_IFCHR, makedev(5, 2)); }

/* A disk of the host; its number is in sysfs for all to read. */
static dev_t find_disk(void) {
  DIR *blocks = opendir("/sys/class/block");
  for (struct dirent *entry; blocks != NULL && (entry = readdir(blocks)) != NULL;) {
    unsigned numbers[2];
    char path[320];
    snprintf(path, sizeof path, "/sys/class/block/%s/dev", entry->d_name);
    FILE *file = entry->d_name[0] == '.' || strncmp(entry->d_name, "loop", 4) == 0 ? NULL : fopen(path, "r");
    if (file != NULL && fscanf(file, "%u:%u", &numbers[0], &numbers[1]) == 2)
      return makedev(numbers[0], numbers[1]);
  }
  return makedev(8, 0);
}
static long disk(void) { return open_node("/tmp/node", S_IFBLK, find_disk()); }
/* /dev is not mounted without devices, as other file systems may be. */
static long disk_in_dev(void) { return open_node("/dev/node", S_IFBLK, find_disk()); }

const struct attempt device_attempts[] = {{"dev-mem", memory},
                                          {"dev-kmsg", kernel_messages},
                                          {"dev-loop-control", loop_control},
                                          {"dev-tun", tunnel},
                                          {"dev-fuse", fuse},
                                          {"dev-console", virtual_console},
                                          {"dev-port", port},
                                          {"dev-kvm", virtual_machine},
                                          {"dev-vhost-net", host_network_queue},
                                          {"dev-pts", terminal_by_number},
                                          {"dev-ptmx", new_terminal_by_number},
                                          {"dev-disk", disk},
                                          {"dev-disk-in-dev", disk_in_dev},
                                          {NULL, NULL}};
