#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "stage.h"

struct node {
  const char *name;
  mode_t mode;
  unsigned major;
  unsigned minor;
};

static const struct node standard_nodes[] = {
    {"null", S_IFCHR | 0666, 1, 3},   {"zero", S_IFCHR | 0666, 1, 5},    {"full", S_IFCHR | 0666, 1, 7},
    {"random", S_IFCHR | 0666, 1, 8}, {"urandom", S_IFCHR | 0666, 1, 9}, {"tty", S_IFCHR | 0666, 5, 0},
};

static const struct node insecure_nodes[] = {
    {"kmsg", S_IFCHR | 0644, 1, 11},  {"cuse", S_IFCHR | 0600, 10, 203},    {"fuse", S_IFCHR | 0666, 10, 229},
    {"kvm", S_IFCHR | 0660, 10, 232}, {"net/tun", S_IFCHR | 0666, 10, 200}, {"loop-control", S_IFCHR | 0660, 10, 237},
    {"loop0", S_IFBLK | 0660, 7, 0},  {"loop1", S_IFBLK | 0660, 7, 1},      {"loop2", S_IFBLK | 0660, 7, 2},
    {"loop3", S_IFBLK | 0660, 7, 3},  {"loop4", S_IFBLK | 0660, 7, 4},      {"loop5", S_IFBLK | 0660, 7, 5},
    {"loop6", S_IFBLK | 0660, 7, 6},  {"loop7", S_IFBLK | 0660, 7, 7},
};

static const struct {
  const char *name;
  const char *target;
} links[] = {
    {"fd", "/proc/self/fd"},         {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"},   {"ptmx", "pts/ptmx"},
};

static const char *const directories[] = {"pts", "shm", "mqueue"};

static int make_nodes(int dev, const struct node *nodes, size_t count, struct error *error) {
  for (size_t i = 0; i < count; i++) {
    if (mknodat(dev, nodes[i].name, nodes[i].mode, makedev(nodes[i].major, nodes[i].minor)) < 0)
      return fail(error, STAGE_DEVICES, errno, "/dev/%s", nodes[i].name);
  }
  return 0;
}

/* Opens the null device and makes sure that it is one, as it will cover files that must not be read. */
static int open_null(int dev, struct error *error) {
  cleanup_fd int fd = openat(dev, "null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) < 0)
    return fail(error, STAGE_DEVICES, errno, "/dev/null");
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
    return fail(error, STAGE_DEVICES, ENODEV, "/dev/null");
  return steal_fd(&fd);
}

int devices_populate(int dev, bool all, int *null, struct error *error) {
  if (make_nodes(dev, standard_nodes, sizeof standard_nodes / sizeof standard_nodes[0], error) < 0)
    return -1;
  if (all) {
    if (mkdirat(dev, "net", 0755) < 0)
      return fail(error, STAGE_DEVICES, errno, "/dev/net");
    if (make_nodes(dev, insecure_nodes, sizeof insecure_nodes / sizeof insecure_nodes[0], error) < 0)
      return -1;
  }
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
    if (symlinkat(links[i].target, dev, links[i].name) < 0)
      return fail(error, STAGE_DEVICES, errno, "/dev/%s", links[i].name);
  }
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
    if (mkdirat(dev, directories[i], 0755) < 0)
      return fail(error, STAGE_DEVICES, errno, "/dev/%s", directories[i]);
  }
  *null = open_null(dev, error);
  return *null < 0 ? -1 : 0;
}
