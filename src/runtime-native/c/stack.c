#include "stack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "mount_fs.h"
#include "overlay.h"
#include "syscalls.h"
#include "tree.h"
#include "userns.h"

#define VARIABLE "TSBUILD_SNAPSHOTTER"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef F2FS_SUPER_MAGIC
#define F2FS_SUPER_MAGIC 0xF2F52010
#endif

/* For root, file systems whose directories overlayfs is known to take. */
static bool is_known_to_work(const struct overlay_spec *overlay) {
  static const uint32_t known[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC, F2FS_SUPER_MAGIC};
  struct statfs status;
  if (!userns_is_initial() || overlay->upper == NULL || statfs(overlay->upper, &status) < 0)
    return false;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if ((uint32_t)status.f_type == known[i])
      return true;
  }
  return false;
}

/* With its own mark on a directory, without which what is deleted would come back. */
static bool can_mount(const struct overlay_spec *overlay) {
  struct error ignored;
  if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return false;
  if (overlay->work != NULL && (setxattr(overlay->work, overlay_opaque_xattr(), "n", 1, 0) < 0 ||
                                removexattr(overlay->work, overlay_opaque_xattr()) < 0))
    return false;
  return overlay_mount(overlay, 1, &ignored) >= 0;
}

static bool can_mount_apart(const struct overlay_spec *overlay) {
  int status = 0;
  const pid_t pid = fork();
  if (pid == 0)
    _exit(can_mount(overlay) ? 0 : 1);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static enum snapshotter choose_automatically(const struct overlay_spec *overlay) {
  if (is_known_to_work(overlay) || can_mount_apart(overlay))
    return SNAPSHOTTER_OVERLAY;
  return stack_fuse_is_possible() ? SNAPSHOTTER_FUSE : SNAPSHOTTER_COPY;
}

int stack_choose(const struct overlay_spec *overlay, enum snapshotter *chosen, uint32_t stage, struct error *error) {
  static bool is_chosen;
  static enum snapshotter choice;
  const char *wanted = getenv(VARIABLE);
  if (!is_chosen) {
    if (wanted == NULL || strcmp(wanted, "auto") == 0)
      choice = choose_automatically(overlay);
    else if (strcmp(wanted, "overlay") == 0)
      choice = SNAPSHOTTER_OVERLAY;
    else if (strcmp(wanted, "copy") == 0)
      choice = SNAPSHOTTER_COPY;
    else if (strcmp(wanted, "fuse-overlayfs") == 0)
      choice = SNAPSHOTTER_FUSE;
    else
      return fail(error, stage, EINVAL, VARIABLE "=%s", wanted);
    if (choice == SNAPSHOTTER_FUSE && !stack_fuse_is_possible())
      return fail(error, stage, 0, userns_is_initial() ? "fuse-overlayfs is for users other than root"
                                                       : "fuse-overlayfs is not installed, or /dev/fuse cannot be opened");
    is_chosen = true;
  }
  *chosen = choice;
  return 0;
}

/* Failures of work on trees have stages of their own. */
static int retell(struct error *error, uint32_t stage) {
  error->stage = stage;
  return -1;
}

static int open_copy(struct stack *stack, const char *place, uint32_t stage, struct error *error) {
  const struct overlay_spec *overlay = stack->overlay;
  if ((stack->place = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
    return fail(error, stage, errno, "%s", place);
  cleanup_fd int upper = overlay->upper == NULL ? -1 : open(overlay->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (overlay->upper != NULL && upper < 0)
    return fail(error, stage, errno, "%s", overlay->upper);
  if (mkdirat(stack->place, stack->name, 0700) < 0)
    return fail(error, stage, errno, "%s/%s", place, stack->name);
  const int root = tree_open_dir(stack->place, stack->name);
  if (root < 0)
    return fail(error, stage, errno, "%s/%s", place, stack->name);
  if (copied_tree_fill(&stack->copy, root, &overlay->lower, upper, error) < 0)
    return retell(error, stage);
  stack->mount = mount_clone(root, false);
  if (stack->mount < 0 || (overlay->upper == NULL && mount_set_flags(stack->mount, MOUNT_ATTR_RDONLY, false) < 0))
    return fail(error, stage, errno, "copy");
  return 0;
}

static int close_copy(struct stack *stack, bool is_wanted, uint32_t stage, struct error *error) {
  const struct overlay_spec *overlay = stack->overlay;
  int status = 0;
  if (is_wanted && overlay->upper != NULL && stack->copy.root >= 0) {
    cleanup_fd int upper = open(overlay->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status = upper < 0 ? fail(error, stage, errno, "%s", overlay->upper) : copied_tree_extract(&stack->copy, upper, error);
    if (status < 0)
      retell(error, stage);
  }
  copied_tree_close(&stack->copy);
  struct error ignored;
  if (stack->place >= 0 && tree_remove(stack->place, stack->name, stack->name, status < 0 ? &ignored : error) < 0 && status == 0)
    status = retell(error, stage);
  cleanup_fd_at(&stack->place);
  return status;
}

/* Before a step runs for nothing: overlayfs, for one, makes no device 0:0, by which a layer deletes. */
static int check_file_system(const struct overlay_spec *overlay, uint32_t stage, struct error *error) {
  static const char name[] = "whiteout";
  cleanup_fd int work = overlay->upper == NULL ? -1 : open(overlay->work, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (work < 0 || (mknodat(work, name, S_IFCHR, 0) == 0 && unlinkat(work, name, 0) == 0))
    return 0;
  return fail(error, stage, errno, "%s: the file system cannot hold layers", overlay->work);
}

int stack_open(struct stack *stack, enum snapshotter kind, const struct overlay_spec *overlay, const char *place,
               const char *name, uint32_t stage, struct error *error) {
  *stack = (struct stack){.overlay = overlay, .kind = kind, .mount = -1, .place = -1, .copy.root = -1};
  snprintf(stack->name, sizeof stack->name, "%s", name);
  int status = check_file_system(overlay, stage, error);
  if (status == 0)
    status = kind == SNAPSHOTTER_FUSE ? stack_fuse_open(stack, stage, error) : open_copy(stack, place, stage, error);
  if (status < 0) {
    struct error ignored;
    (void)!stack_close(stack, false, stage, &ignored);
  }
  return status;
}

int stack_close(struct stack *stack, bool is_wanted, uint32_t stage, struct error *error) {
  cleanup_fd_at(&stack->mount);
  if (stack->overlay == NULL)
    return 0;
  const int status = stack->kind == SNAPSHOTTER_FUSE ? stack_fuse_close(stack, is_wanted, stage, error)
                                                     : close_copy(stack, is_wanted, stage, error);
  stack->overlay = NULL;
  return status;
}
