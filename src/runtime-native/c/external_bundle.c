/* The root and the mounts of a bundle; see external.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "external.h"
#include "mount_fs.h"
#include "mounts.h"
#include "report.h"
#include "stage.h"
#include "syscalls.h"

/* Opened while the host's files are in reach, attached once the root is. */
struct sources {
  int root;
  struct mount_set set;
};

static bool is_below(const char *path, const char *top) {
  const size_t length = strlen(top);
  return strncmp(path, top, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The directories over which the runtime mounts. */
static bool is_system(const char *path) { return is_below(path, "/proc") || is_below(path, "/dev") || is_below(path, "/sys"); }

/* Nothing covers the host's mounts any more from here on: the namespace is the container's, and its end theirs. */
static int isolate(const struct init *init, struct error *error) {
  if (setsid() < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return fail(error, STAGE_ISOLATION, errno, "mount propagation");
  return init->network >= 0 && setns(init->network, CLONE_NEWNET) < 0 ? fail(error, STAGE_NETWORK, errno, "namespace") : 0;
}

static int open_sources(const struct init *init, struct sources *sources, struct error *error) {
  const struct container_spec *spec = init->spec;
  memset(&sources->set, -1, sizeof sources->set);
  if ((sources->root = mount_open_root(spec, error)) < 0)
    return -1;
  for (size_t i = 0; i < spec->mount_count; i++) {
    const struct mount_spec *mount = &spec->mounts[i];
    if (mount->kind == MOUNT_CGROUP)
      sources->set.mounts[i] = mount_cgroup_open(mount, spec, init->cgroup, &sources->set, error);
    else if (!mount->is_system)
      sources->set.mounts[i] = mount_open(mount, error);
    else
      continue;
    if (sources->set.mounts[i] < 0 && (mount->kind != MOUNT_CGROUP || init->cgroup->version != CGROUP_NONE))
      return -1;
  }
  return 0;
}

static int attach(int mount, const char *path, struct error *error) {
  return sys_move_mount(mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0
             ? fail(error, STAGE_MOUNT, errno, "%s", path)
             : 0;
}

/* The directory itself stays on the host, as other runtimes' do. What is in it is on a file system of this namespace. */
static int make_place(int root, struct error *error) {
  static const char *const directories[] = {EXTERNAL_ROOT, EXTERNAL_CGROUP, EXTERNAL_MOUNTS};
  if (mkdir(EXTERNAL_BUNDLE, 0711) < 0 && errno != EEXIST)
    return fail(error, STAGE_MOUNT, errno, EXTERNAL_BUNDLE);
  cleanup_fd int place = mount_fs_open("tmpfs", "tsbuild", (const struct fs_option[]){{"mode", "711"}, {NULL, NULL}},
                                       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (place < 0)
    return fail(error, STAGE_MOUNT, errno, EXTERNAL_BUNDLE);
  if (attach(place, EXTERNAL_BUNDLE, error) < 0)
    return -1;
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
    if (mkdir(directories[i], 0755) < 0)
      return fail(error, STAGE_MOUNT, errno, "%s", directories[i]);
  }
  return attach(root, EXTERNAL_ROOT, error);
}

static int make_point(const char *path, bool directory) {
  if (directory)
    return mkdir(path, 0755);
  cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  return fd < 0 ? -1 : 0;
}

/* For the runtime to bind on a mount of its own. */
static int put_aside(int mount, size_t index, bool directory, struct error *error) {
  char path[64];
  snprintf(path, sizeof path, EXTERNAL_MOUNTS "/%zu", index);
  return make_point(path, directory) < 0 ? fail(error, STAGE_MOUNT, errno, "%s", path) : attach(mount, path, error);
}

/* What mounts.c refuses is refused here as well, and a link into what the runtime will cover. */
static int check_target(const struct target_maker *maker, int target, const char *path, struct error *error) {
  char resolved[PATH_MAX];
  if (target_path(maker, target, resolved, sizeof resolved) < 0)
    return fail(error, STAGE_TARGET, errno, "%s", path);
  return strcmp(resolved, "/") == 0 || is_system(resolved) ? fail(error, STAGE_TARGET, 0, "%s", path) : 0;
}

static bool is_device(const struct container_spec *spec, const char *path) {
  for (size_t i = 0; i < spec->device_count; i++) {
    if (strcmp(spec->devices[i].path, path) == 0)
      return true;
  }
  return false;
}

static int attach_mount(const struct init *init, struct external_bundle *bundle, size_t index, int fd,
                        const struct target_maker *maker, struct error *error) {
  const struct mount_spec *mount = &init->spec->mounts[index];
  struct stat status;
  if (fstat(fd, &status) < 0)
    return fail(error, STAGE_MOUNT, errno, "%s", mount->target);
  if (is_below(mount->target, "/proc") || is_device(init->spec, mount->target))
    return fail(error, STAGE_TARGET, 0, "%s", mount->target);
  if (is_system(mount->target)) {
    bundle->is_passed[index] = true;
    return put_aside(fd, index, S_ISDIR(status.st_mode), error);
  }
  cleanup_fd int target = target_open(maker, mount->target, S_ISDIR(status.st_mode), STAGE_TARGET, error);
  if (target < 0 || check_target(maker, target, mount->target, error) < 0)
    return -1;
  return mount_attach(fd, target) < 0 ? fail(error, STAGE_MOUNT, errno, "%s", mount->target) : 0;
}

/*
 * The runtime is in the container's groups already, and must not make others: told so or not, it cannot. A machine with both
 * versions hides the second one from it, with which crun does not start.
 */
static int close_cgroups(const struct cgroup *cgroup, struct error *error) {
  if (cgroup->version == CGROUP_NONE)
    return 0;
  if (cgroup->version == CGROUP_V1 && umount2("/sys/fs/cgroup/unified", MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
    return fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup/unified");
  cleanup_fd int top = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return top < 0 || mount_set_flags(top, MOUNT_ATTR_RDONLY, true) < 0 ? fail(error, STAGE_MOUNT, errno, "/sys/fs/cgroup") : 0;
}

static int attach_all(const struct init *init, struct external_bundle *bundle, struct sources *sources,
                      struct error *error) {
  const struct container_spec *spec = init->spec;
  struct report_made_in made = {.socket = init->socket, .root_mount = mount_id(bundle->root)};
  struct target_maker maker = {.root = bundle->root, .proc = bundle->proc, .context = &made};
  if (spec->remove_stubs)
    maker.on_made = report_made_in_root;
  for (size_t i = 0; i < spec->mount_count; i++) {
    const struct mount_spec *mount = &spec->mounts[i];
    const int fd = sources->set.mounts[i];
    int result = 0;
    if (mount->kind == MOUNT_CGROUP) {
      bundle->is_passed[i] = fd >= 0;
      result = fd < 0 || (attach(fd, EXTERNAL_CGROUP, error) == 0 &&
                          mount_cgroup_fill(mount, init->cgroup, fd, &sources->set, error) == 0)
                   ? 0
                   : -1;
    } else if (mount->is_system) {
      bundle->is_passed[i] = true;
    } else {
      result = attach_mount(init, bundle, i, fd, &maker, error);
    }
    if (result < 0)
      return -1;
  }
  return 0;
}

/* Made here with the owner that it shall have, and given to the runtime without links: one into proc would lead out of the root (CVE-2024-21626). */
static int make_cwd(struct external_bundle *bundle, struct error *error) {
  const struct container_spec *spec = bundle->init->spec;
  struct target_maker maker = {.root = bundle->root, .proc = bundle->proc};
  if (spec->cwd_owned_by_user) {
    maker.uid = bundle->identity.uid;
    maker.gid = bundle->identity.gid;
  }
  if (is_below(spec->cwd, "/proc"))
    return fail(error, STAGE_CWD, EPERM, "%s", spec->cwd);
  cleanup_fd int fd = target_open(&maker, spec->cwd, true, STAGE_CWD, error);
  if (fd < 0)
    return -1;
  if (target_path(&maker, fd, bundle->cwd, sizeof bundle->cwd) < 0)
    return fail(error, STAGE_CWD, errno, "%s", spec->cwd);
  return is_below(bundle->cwd, "/proc") ? fail(error, STAGE_CWD, EPERM, "%s", spec->cwd) : 0;
}

int external_bundle_make(struct external_bundle *bundle, const struct init *init, struct error *error) {
  static struct sources sources;
  *bundle = (struct external_bundle){.init = init, .root = -1, .proc = -1};
  umask(0);
  if (isolate(init, error) < 0 || open_sources(init, &sources, error) < 0 || make_place(sources.root, error) < 0)
    return -1;
  bundle->root = sources.root;
  /* The one at /proc is of the namespace outside, where this process has another number. */
  bundle->proc = mount_fs_open("proc", "proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (bundle->proc < 0)
    return fail(error, STAGE_MOUNT, errno, "proc");
  if (attach_all(init, bundle, &sources, error) < 0 || close_cgroups(init->cgroup, error) < 0)
    return -1;
  if (attach(bundle->proc, "/proc", error) < 0 ||
      identity_find(bundle->root, bundle->proc, init->spec->user, &bundle->identity, error) < 0)
    return -1;
  return make_cwd(bundle, error);
}
