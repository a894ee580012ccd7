#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "mount_fs.h"
#include "stage.h"
#include "syscalls.h"

#define COUNT(array) (sizeof array / sizeof array[0])
#define PREFIX "/dev/"

static const struct {
  const char *name;
  const char *target;
} links[] = {
    {"fd", "/proc/self/fd"},         {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"},   {"ptmx", "pts/ptmx"},
};

static const char *const directories[] = {"pts", "shm", "mqueue"};

/* The directory of a node, made where it is missing; *name becomes what is left of the path. */
static int open_parent(int dev, const char *path, const char **name, struct error *error) {
  cleanup_fd int parent = openat(dev, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0)
    return fail(error, STAGE_DEVICES, errno, "%s", path);
  *name = path + strlen(PREFIX);
  for (const char *slash; (slash = strchr(*name, '/')) != NULL; *name = slash + 1) {
    char part[256];
    if (snprintf(part, sizeof part, "%.*s", (int)(slash - *name), *name) >= (int)sizeof part)
      return fail(error, STAGE_DEVICES, ENAMETOOLONG, "%s", path);
    if (mkdirat(parent, part, 0755) < 0 && errno != EEXIST)
      return fail(error, STAGE_DEVICES, errno, "%s", path);
    int next = sys_openat2(parent, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0,
                           RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (next < 0)
      return fail(error, STAGE_DEVICES, errno, "%s", path);
    close(parent);
    parent = next;
  }
  return steal_fd(&parent);
}

static int make_node(int dev, const struct device_spec *node, struct error *error) {
  const char *name;
  cleanup_fd int parent = open_parent(dev, node->path, &name, error);
  if (parent < 0)
    return -1;
  if (mknodat(parent, name, node->mode, makedev(node->major, node->minor)) < 0)
    return errno == EEXIST ? 0 : fail(error, STAGE_DEVICES, errno, "%s", node->path);
  if ((node->uid != 0 || node->gid != 0) && fchownat(parent, name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(error, STAGE_DEVICES, errno, "%s", node->path);
  return 0;
}

int devices_make(int dev, const struct container_spec *spec, struct error *error) {
  for (size_t i = 0; i < spec->device_count; i++) {
    if (make_node(dev, &spec->devices[i], error) < 0)
      return -1;
  }
  for (size_t i = 0; i < COUNT(links); i++) {
    if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
      return fail(error, STAGE_DEVICES, errno, PREFIX "%s", links[i].name);
  }
  for (size_t i = 0; i < COUNT(directories); i++) {
    if (mkdirat(dev, directories[i], 0755) < 0 && errno != EEXIST)
      return fail(error, STAGE_DEVICES, errno, PREFIX "%s", directories[i]);
  }
  return 0;
}

int devices_open_null(int dev, struct error *error) {
  cleanup_fd int own = -1;
  if (dev < 0) {
    own = mount_fs_open("tmpfs", "tmpfs", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (own < 0 || mknodat(own, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
      return fail(error, STAGE_DEVICES, errno, "/dev/null");
    dev = own;
  }
  cleanup_fd int fd = openat(dev, "null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) < 0)
    return fail(error, STAGE_DEVICES, errno, "/dev/null");
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
    return fail(error, STAGE_DEVICES, ENODEV, "/dev/null");
  if (own < 0)
    return steal_fd(&fd);
  /* The file system lives on in the copy of its mount. */
  int copy = mount_clone(fd, false);
  return copy < 0 ? fail(error, STAGE_DEVICES, errno, "/dev/null") : copy;
}
