#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "layer_set.h"
#include "mount_fs.h"
#include "overlay.h"
#include "stack.h"
#include "syscalls.h"
#include "tree.h"
#include "userns.h"

#define DEVICE "/dev/fuse"
/* For what was written and is still on its way to the layer. */
#define END_TIMEOUT_MS 60000
/* How the program marks a directory that hides what is below, besides overlay's attribute; and where it could make no whiteout. */
#define MARK ".wh..wh..opq"
#define OTHER_MARK ".wh..opq"
#define WHITEOUT ".wh."
#define OWN_XATTR "user.fuseoverlayfs."

static const char *const programs[] = {"/usr/local/bin/fuse-overlayfs", "/usr/bin/fuse-overlayfs", "/bin/fuse-overlayfs",
                                       "/run/current-system/sw/bin/fuse-overlayfs"};

static const char *find_program(void) {
  for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
    if (access(programs[i], X_OK) == 0)
      return programs[i];
  }
  return NULL;
}

bool stack_fuse_is_possible(void) {
  struct stat stat;
  cleanup_fd int device = open(DEVICE, O_RDWR | O_CLOEXEC);
  if (userns_is_initial() || device < 0 || fstat(device, &stat) < 0)
    return false;
  return S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(10, 229) && find_program() != NULL;
}

/* Two parsers read the options one after the other, each with these; what escapes one for both is not the same everywhere. */
static bool is_plain(const char *path) { return strpbrk(path, ":,\\") == NULL; }

static bool has_plain_paths(const struct overlay_spec *overlay) {
  for (size_t i = 0; i < overlay->lower.count; i++) {
    if (!is_plain(overlay->lower.items[i]))
      return false;
  }
  return overlay->upper == NULL || (is_plain(overlay->upper) && is_plain(overlay->work));
}

/* Topmost first, separated by colons. NULL without memory. */
static char *options_of(const struct overlay_spec *overlay) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL)
    return NULL;
  fputs("lowerdir=", out);
  for (size_t i = overlay->lower.count; i-- > 0;)
    fprintf(out, "%s%s", overlay->lower.items[i], i > 0 ? ":" : "");
  if (overlay->upper != NULL)
    fprintf(out, ",upperdir=%s,workdir=%s", overlay->upper, overlay->work);
  return fclose(out) == 0 ? text : NULL;
}

static int mount_device(int device) {
  char number[16];
  snprintf(number, sizeof number, "%d", device);
  const struct fs_option options[] = {{"fd", number},     {"rootmode", "40000"},  {"user_id", "0"}, {"group_id", "0"},
                                      {"allow_other", NULL}, {"default_permissions", NULL}, {NULL, NULL}};
  return mount_fs_open("fuse", "fuse-overlayfs", options, 0);
}

/* The program serves a mount that is there already; libfuse knows it by the name /dev/fd/N. */
static _Noreturn void run_server(int device, const char *options) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  char name[32];
  snprintf(name, sizeof name, "/dev/fd/%d", device);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  for (int fd = 0; fd <= 2; fd++) {
    if (dup2(null, fd) < 0)
      _exit(1);
  }
  sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  fcntl(device, F_SETFD, 0);
  setsid();
  execl(find_program(), "fuse-overlayfs", "-f", "-o", options, name, (char *)NULL);
  _exit(1);
}

int stack_fuse_open(struct stack *stack, uint32_t stage, struct error *error) {
  if (!has_plain_paths(stack->overlay))
    return fail(error, stage, 0, "fuse-overlayfs takes no path of layers with a colon, a comma or a backslash");
  cleanup_free char *options = options_of(stack->overlay);
  /* Above stdio, which the program gets none of. */
  cleanup_fd int device = open(DEVICE, O_RDWR | O_CLOEXEC);
  cleanup_fd int high = device < 0 ? -1 : fcntl(device, F_DUPFD_CLOEXEC, 3);
  if (options == NULL || high < 0)
    return fail(error, stage, errno, DEVICE);
  cleanup_fd_at(&device);
  if ((stack->mount = mount_device(high)) < 0)
    return fail(error, stage, errno, "fuse");
  const pid_t parent = getpid();
  stack->server = fork();
  if (stack->server == 0) {
    if (getppid() != parent)
      _exit(1);
    run_server(high, options);
  }
  if (stack->server < 0)
    return fail(error, stage, errno, "fuse-overlayfs");
  cleanup_fd_at(&high);
  /* Answered when it serves; refused when it has ended. */
  cleanup_fd int root = openat(stack->mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return root < 0 ? fail(error, stage, errno, "fuse-overlayfs") : 0;
}

static int set_opaque(int fd, const char *path, const struct layer_set *lower, struct error *error) {
  if (layer_set_find(lower, path) < 0)
    return errno == ENOENT ? 0 : fail(error, TREE_READ, errno, "%s", path);
  return fsetxattr(fd, overlay_opaque_xattr(), "y", 1, 0) < 0 ? fail(error, TREE_METADATA, errno, "%s", path) : 0;
}

/* A directory is marked wherever it was made; it has to hide something only where there is something. */
static int restore_directory(int fd, const char *path, const struct layer_set *lower, struct error *error) {
  struct stat stat;
  if (fstat(fd, &stat) < 0)
    return fail(error, TREE_READ, errno, "%s", path);
  const struct timespec times[2] = {stat.st_atim, stat.st_mtim};
  const bool has_mark = unlinkat(fd, MARK, 0) == 0;
  const bool has_other_mark = unlinkat(fd, OTHER_MARK, 0) == 0;
  if (!has_mark && !has_other_mark)
    return 0;
  if (set_opaque(fd, path, lower, error) < 0)
    return -1;
  return futimens(fd, times) < 0 ? fail(error, TREE_METADATA, errno, "%s", path) : 0;
}

static int restore_whiteout(const struct tree_entry *entry, struct error *error) {
  struct stat stat;
  if (fstat(entry->parent, &stat) < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  const struct timespec times[2] = {stat.st_atim, stat.st_mtim};
  if (mknodat(entry->parent, entry->name + strlen(WHITEOUT), S_IFCHR, 0) < 0 || unlinkat(entry->parent, entry->name, 0) < 0)
    return fail(error, TREE_CREATE, errno, "%s", entry->path);
  return futimens(entry->parent, times) < 0 ? fail(error, TREE_METADATA, errno, "%s", entry->path) : 0;
}

/* What it notes for itself, such as where a file comes from, would be taken for the user's. */
static int remove_notes(const struct tree_entry *entry, struct error *error) {
  static char names[XATTR_LIST_MAX];
  char path[sizeof "/proc/self/fd/" + 16 + NAME_MAX];
  snprintf(path, sizeof path, "/proc/self/fd/%d/%s", entry->parent, entry->name);
  const ssize_t size = llistxattr(path, names, sizeof names);
  if (size < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  for (const char *name = names; name < names + size; name += strlen(name) + 1) {
    if (strncmp(name, OWN_XATTR, strlen(OWN_XATTR)) == 0 && lremovexattr(path, name) < 0)
      return fail(error, TREE_METADATA, errno, "%s", entry->path);
  }
  return 0;
}

/* Where one name of a lower file is deleted, another may be copied up as it is. overlayfs does not do that. */
static int remove_needless_copy(const struct tree_entry *entry, const struct layer_set *lower, struct error *error) {
  const int layer = layer_set_find(lower, entry->path);
  if (layer < 0)
    return errno == ENOENT ? 0 : fail(error, TREE_READ, errno, "%s", entry->path);
  cleanup_fd int below = sys_openat2(layer, entry->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0, LAYER_EXACTLY);
  cleanup_fd int copy = openat(entry->parent, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  struct stat stat;
  if (below < 0 || copy < 0 || fstat(below, &stat) < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  if (stat.st_nlink == 1)
    return 0;
  const int is_equal = copied_is_equal(below, copy);
  if (is_equal <= 0)
    return is_equal < 0 ? fail(error, TREE_READ, errno, "%s", entry->path) : 0;
  struct stat parent;
  if (fstat(entry->parent, &parent) < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  const struct timespec times[2] = {parent.st_atim, parent.st_mtim};
  return unlinkat(entry->parent, entry->name, 0) < 0 || futimens(entry->parent, times) < 0
             ? fail(error, TREE_REMOVE, errno, "%s", entry->path)
             : 0;
}

static int restore(void *context, const struct tree_entry *entry, struct error *error) {
  /* Devices are empty files here, which are meant to be something else. */
  const bool has_notes = entry->fd >= 0 || entry->is_other || S_ISREG(entry->stat.st_mode);
  if (has_notes && remove_notes(entry, error) < 0)
    return -1;
  if (entry->fd >= 0)
    return restore_directory(entry->fd, entry->path, context, error);
  if (strncmp(entry->name, WHITEOUT, strlen(WHITEOUT)) == 0)
    return restore_whiteout(entry, error);
  return has_notes && entry->stat.st_nlink == 1 ? remove_needless_copy(entry, context, error) : 0;
}

static int restore_form(const struct overlay_spec *overlay, struct error *error) {
  struct layer_set lower;
  cleanup_fd int upper = open(overlay->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (upper < 0)
    return fail(error, TREE_ROOT, errno, "%s", overlay->upper);
  if (layer_set_open(&lower, &overlay->lower, TREE_ROOT, error) < 0)
    return -1;
  const int status = tree_walk(upper, restore, &lower, error);
  layer_set_close(&lower);
  return status;
}

int stack_fuse_close(struct stack *stack, bool is_wanted, uint32_t stage, struct error *error) {
  if (stack->server <= 0)
    return 0;
  cleanup_fd int process = sys_pidfd_open(stack->server);
  struct pollfd entry = {.fd = process, .events = POLLIN};
  int ready = 0, status = 0;
  while (is_wanted && (ready = poll(&entry, 1, END_TIMEOUT_MS)) < 0 && errno == EINTR)
    ;
  if (ready <= 0)
    kill(stack->server, SIGKILL);
  while (waitpid(stack->server, &status, 0) < 0 && errno == EINTR)
    ;
  stack->server = 0;
  if (!is_wanted)
    return 0;
  if (ready <= 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(error, stage, 0, "fuse-overlayfs %s", ready <= 0 ? "did not end" : "failed");
  if (stack->overlay->upper != NULL && restore_form(stack->overlay, error) < 0) {
    error->stage = stage;
    return -1;
  }
  return 0;
}
