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
#include "userns.h"

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

static bool is_node(int fd, mode_t type, unsigned device_major, unsigned device_minor) {
  struct stat status;
  return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == (type & S_IFMT) &&
         status.st_rdev == makedev(device_major, device_minor);
}

/* By the name that it has for the container; what is found there must be that very device. */
static int open_host(const struct device_spec *node) {
  cleanup_fd int mount = sys_open_tree(AT_FDCWD, node->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
  if (mount < 0 || is_node(mount, node->mode, node->major, node->minor))
    return steal_fd(&mount);
  errno = ENODEV;
  return -1;
}

int devices_open(const struct container_spec *spec, int *host, struct error *error) {
  if (spec->device_count > SPEC_DEVICES_MAX)
    return fail(error, STAGE_DEVICES, E2BIG, "%zu devices", spec->device_count);
  for (size_t i = 0; i < spec->device_count; i++) {
    host[i] = userns_is_initial() ? -1 : open_host(&spec->devices[i]);
    if (host[i] < 0 && !userns_is_initial() && !spec->devices[i].is_optional)
      return fail(error, STAGE_DEVICES, errno, "%s", spec->devices[i].path);
  }
  return 0;
}

static int make_place(int parent, const char *name) {
  cleanup_fd int file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  return file < 0 ? -1 : 0;
}

int devices_attach(int dev, const struct container_spec *spec, const int *host, struct error *error) {
  for (size_t i = 0; i < spec->device_count; i++) {
    const char *path = spec->devices[i].path, *name;
    if (host[i] < 0)
      continue;
    cleanup_fd int parent = open_parent(dev, path, &name, error);
    if (parent < 0)
      return -1;
    cleanup_fd int target = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0 || mount_attach(host[i], target) < 0)
      return fail(error, STAGE_DEVICES, errno, "%s", path);
  }
  return 0;
}

static int make_node(int dev, const struct device_spec *node, int host, struct error *error) {
  const char *name;
  cleanup_fd int parent = open_parent(dev, node->path, &name, error);
  if (parent < 0)
    return -1;
  if (!userns_is_initial())
    return host < 0 || make_place(parent, name) == 0 || errno == EEXIST
               ? 0
               : fail(error, STAGE_DEVICES, errno, "%s", node->path);
  if (mknodat(parent, name, node->mode, makedev(node->major, node->minor)) < 0)
    return errno == EEXIST ? 0 : fail(error, STAGE_DEVICES, errno, "%s", node->path);
  if ((node->uid != 0 || node->gid != 0) && fchownat(parent, name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(error, STAGE_DEVICES, errno, "%s", node->path);
  return 0;
}

int devices_make(int dev, const struct container_spec *spec, const int *host, struct error *error) {
  for (size_t i = 0; i < spec->device_count; i++) {
    if (make_node(dev, &spec->devices[i], host[i], error) < 0)
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
  if (dev < 0 && !userns_is_initial()) {
    const struct device_spec null = {.path = "/dev/null", .mode = S_IFCHR, .major = 1, .minor = 3};
    int host = open_host(&null);
    return host < 0 ? fail(error, STAGE_DEVICES, errno, "%s", null.path) : host;
  }
  if (dev < 0) {
    own = mount_fs_open("tmpfs", "tmpfs", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (own < 0 || mknodat(own, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
      return fail(error, STAGE_DEVICES, errno, "/dev/null");
    dev = own;
  }
  cleanup_fd int fd = openat(dev, "null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return fail(error, STAGE_DEVICES, errno, "/dev/null");
  if (!is_node(fd, S_IFCHR, 1, 3))
    return fail(error, STAGE_DEVICES, ENODEV, "/dev/null");
  if (own < 0)
    return steal_fd(&fd);
  /* The file system lives on in the copy of its mount. */
  int copy = mount_clone(fd, false);
  return copy < 0 ? fail(error, STAGE_DEVICES, errno, "/dev/null") : copy;
}
