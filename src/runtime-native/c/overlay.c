#include "overlay.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "cleanup.h"
#include "syscalls.h"
#include "userns.h"

bool overlay_uses_user_xattrs(void) { return !userns_is_initial(); }

const char *overlay_opaque_xattr(void) {
  return overlay_uses_user_xattrs() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

/* A mount of the directory alone. */
static int clone_directory(const char *path, bool readonly, uint32_t stage, struct error *error) {
  cleanup_fd int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0)
    return fail(error, stage, errno, "%s", path);
  if (readonly) {
    struct sys_mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attributes) < 0)
      return fail(error, stage, errno, "%s", path);
  }
  return steal_fd(&tree);
}

/* An empty read-only root: a stack of no layers. */
static int mount_nothing(uint32_t stage, struct error *error) {
  cleanup_fd int context = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
  if (context < 0 || sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
      sys_fsconfig(context, SYS_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return fail(error, stage, errno, "empty root");
  int mount = sys_fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
  return mount < 0 ? fail(error, stage, errno, "empty root") : mount;
}

static int open_layer(const char *path, uint32_t stage, struct error *error) {
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? fail(error, stage, errno, "%s", path) : fd;
}

/* Redirects are neither made nor followed: a layer made by a stranger must not point elsewhere. */
static const char *const settings[][2] = {
    {"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}, {"xino", "off"}};
#define SETTING_COUNT (sizeof settings / sizeof settings[0])

static int add_layer(int context, const char *key, const char *path, uint32_t stage, struct error *error) {
  cleanup_fd int fd = open_layer(path, stage, error);
  if (fd < 0)
    return -1;
  if (sys_fsconfig(context, SYS_FSCONFIG_SET_FD, key, NULL, fd) < 0)
    return fail(error, stage, errno, "%s", path);
  return 0;
}

/* Before 6.5 overlay's options are text alone, which fsconfig(2) answers with EOPNOTSUPP; until 6.13 there is no such key. */
static bool is_unknown(int code) { return code == EINVAL || code == EOPNOTSUPP; }

/* 1 when the kernel does not know layers as descriptors. */
static int mount_by_descriptors(const struct overlay_spec *overlay, uint32_t stage, struct error *error, int *mount) {
  cleanup_fd int context = sys_fsopen("overlay", FSOPEN_CLOEXEC);
  if (context < 0)
    return errno == ENOSYS ? 1 : fail(error, stage, errno, "overlay");
  if (sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
    return fail(error, stage, errno, "overlay");
  for (size_t i = overlay->lower.count; i-- > 0;) {
    if (add_layer(context, "lowerdir+", overlay->lower.items[i], stage, error) < 0)
      return i + 1 == overlay->lower.count && is_unknown(error->code) ? 1 : -1;
  }
  if (overlay->upper != NULL && (add_layer(context, "upperdir", overlay->upper, stage, error) < 0 ||
                                 add_layer(context, "workdir", overlay->work, stage, error) < 0))
    return -1;
  for (size_t i = 0; i < SETTING_COUNT; i++) {
    if (sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, settings[i][0], settings[i][1], 0) < 0)
      return fail(error, stage, errno, "overlay option %s", settings[i][0]);
  }
  if (overlay_uses_user_xattrs() && sys_fsconfig(context, SYS_FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
    return fail(error, stage, errno, "overlay option userxattr");
  if (overlay->upper != NULL && overlay->is_volatile &&
      sys_fsconfig(context, SYS_FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
    return fail(error, stage, errno, "overlay option volatile");
  if (sys_fsconfig(context, SYS_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return fail(error, stage, errno, "overlay");
  *mount = sys_fsmount(context, FSMOUNT_CLOEXEC, overlay->upper == NULL ? MOUNT_ATTR_RDONLY : 0);
  return *mount < 0 ? fail(error, stage, errno, "overlay") : 0;
}

/* Text that grows within one page, the limit of mount(2). */
struct options {
  char text[4096];
  size_t used;
};

static int append(struct options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int append(struct options *options, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t room = sizeof options->text - options->used;
  int length = vsnprintf(options->text + options->used, room, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= room)
    return -1;
  options->used += (size_t)length;
  return 0;
}

/* The descriptors stay open until the mount is made; /proc/self/fd keeps the option text short and free of escapes. */
static int mount_by_text(const struct overlay_spec *overlay, uint32_t stage, struct error *error) {
  struct options options = {.used = 0};
  int *layers = calloc(overlay->lower.count + 2, sizeof *layers);
  if (layers == NULL)
    return fail(error, stage, ENOMEM, "overlay");
  size_t opened = 0;
  int status = 0, result = -1;
  for (size_t i = overlay->lower.count; i-- > 0 && status == 0;) {
    int fd = open_layer(overlay->lower.items[i], stage, error);
    if (fd < 0)
      goto out;
    layers[opened++] = fd;
    status = append(&options, "%s/proc/self/fd/%d", options.used == 0 ? "lowerdir=" : ":", fd);
  }
  if (overlay->upper != NULL) {
    const char *const paths[2] = {overlay->upper, overlay->work};
    for (int i = 0; i < 2 && status == 0; i++) {
      int fd = open_layer(paths[i], stage, error);
      if (fd < 0)
        goto out;
      layers[opened++] = fd;
      status = append(&options, ",%s=/proc/self/fd/%d", i == 0 ? "upperdir" : "workdir", fd);
    }
  }
  for (size_t i = 0; i < SETTING_COUNT && status == 0; i++)
    status = append(&options, ",%s=%s", settings[i][0], settings[i][1]);
  if (status == 0 && overlay_uses_user_xattrs())
    status = append(&options, ",userxattr");
  if (status == 0 && overlay->upper != NULL && overlay->is_volatile)
    status = append(&options, ",volatile");
  if (status < 0) {
    fail(error, stage, E2BIG, "overlay of %zu layers", overlay->lower.count);
    goto out;
  }
  /* Any directory of ours will do as the place: the mount is cloned and taken away again. */
  const char *place = overlay->upper != NULL ? overlay->upper : overlay->lower.items[0];
  if (mount("overlay", place, "overlay", overlay->upper == NULL ? MS_RDONLY : 0, options.text) < 0) {
    fail(error, stage, errno, "overlay");
    goto out;
  }
  result = sys_open_tree(AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (result < 0)
    fail(error, stage, errno, "overlay");
  umount2(place, MNT_DETACH);
out:
  while (opened > 0)
    close(layers[--opened]);
  free(layers);
  return result;
}

/* A volatile overlay leaves a mark that forbids to use its upper directory again, which is meant for crashes. */
static int forget_volatile(const char *work, uint32_t stage, struct error *error) {
  static const struct {
    const char *name;
    int flags;
  } marks[] = {{"work/incompat/volatile/dirty", 0}, {"work/incompat/volatile", AT_REMOVEDIR}};
  cleanup_fd int dir = open_layer(work, stage, error);
  if (dir < 0)
    return -1;
  for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
    if (unlinkat(dir, marks[i].name, marks[i].flags) < 0 && errno != ENOENT)
      return fail(error, stage, errno, "%s/%s", work, marks[i].name);
  }
  return 0;
}

int overlay_mount(const struct overlay_spec *overlay, uint32_t stage, struct error *error) {
  if (overlay->made > 0) {
    int copy = fcntl(overlay->made, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? fail(error, stage, errno, "layers") : copy;
  }
  /* overlayfs wants a lower layer, and two of them where nothing can be written. */
  if (overlay->lower.count == 0)
    return overlay->upper != NULL ? clone_directory(overlay->upper, false, stage, error) : mount_nothing(stage, error);
  if (overlay->lower.count == 1 && overlay->upper == NULL)
    return clone_directory(overlay->lower.items[0], true, stage, error);
  if (overlay->upper != NULL && forget_volatile(overlay->work, stage, error) < 0)
    return -1;
  int mount = -1;
  int status = mount_by_descriptors(overlay, stage, error, &mount);
  if (status == 0)
    return mount;
  return status < 0 ? -1 : mount_by_text(overlay, stage, error);
}
