#include "net_sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"

#define ROOT "/proc/sys/net/"

static bool has_value(int fd, const char *value) {
  char text[64];
  ssize_t size = read_all(fd, text, sizeof text);
  size_t length = strlen(value);
  return size == (ssize_t)length + 1 && memcmp(text, value, length) == 0 && text[length] == '\n';
}

int net_sysctl_set(const char *name, const char *value) {
  char path[128];
  if (snprintf(path, sizeof path, ROOT "%s", name) >= (int)sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  cleanup_fd int present = open(path, O_RDONLY | O_CLOEXEC);
  if (present >= 0 && has_value(present, value))
    return 0;
  cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
  return fd < 0 ? -1 : write_all(fd, value, strlen(value));
}

struct path {
  char text[64 + IF_NAMESIZE];
};

static struct path path_of(const char *interface, const char *setting) {
  struct path path;
  snprintf(path.text, sizeof path.text, "ipv4/conf/%s/%s", interface, setting);
  return path;
}

bool net_sysctl_is_on(const char *interface, const char *setting) {
  char path[160];
  snprintf(path, sizeof path, ROOT "%s", path_of(interface, setting).text);
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd >= 0 && has_value(fd, "1");
}

int net_sysctl_switch(const char *interface, const char *setting, bool on) {
  return net_sysctl_set(path_of(interface, setting).text, on ? "1" : "0");
}
