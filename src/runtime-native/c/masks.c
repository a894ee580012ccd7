/* Masked and read-only paths; see standard_mounts.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "mount_fs.h"
#include "stage.h"
#include "standard_mounts.h"
#include "syscalls.h"

static const char *const masked_in_proc[] = {"acpi",          "asound",      "interrupts", "kcore",      "keys",
                                             "latency_stats", "sched_debug", "scsi",       "timer_list", "timer_stats"};
static const char *const masked_in_sys[] = {"firmware", "devices/virtual/powercap"};
static const char *const readonly_in_proc[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};

#define COUNT(array) (sizeof array / sizeof array[0])

struct masker {
  int null;
  /* One empty file system for all directories; its first use attaches it, the others are copies. */
  int empty;
  bool attached;
};

/* On that file system itself, by no link: nothing that the container can influence decides what is covered. */
static int open_own(int fs, const char *path) {
  return sys_openat2(fs, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0,
                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

static int mask_directory(struct masker *masker, int target) {
  if (masker->empty < 0) {
    static const struct fs_option options[] = {{"size", "4k"}, {"nr_inodes", "1"}, {"mode", "755"}, {NULL, NULL}};
    masker->empty = mount_fs_open("tmpfs", "tmpfs", options, MOUNT_ATTR_RDONLY);
    if (masker->empty < 0)
      return -1;
  }
  if (!masker->attached) {
    masker->attached = true;
    return mount_attach(masker->empty, target);
  }
  cleanup_fd int copy = mount_clone(masker->empty, false);
  return copy < 0 ? -1 : mount_attach(copy, target);
}

static int mask_file(const struct masker *masker, int target) {
  cleanup_fd int copy = mount_clone(masker->null, false);
  return copy < 0 ? -1 : mount_attach(copy, target);
}

static int mask(struct masker *masker, int fs, const char *path, struct error *error) {
  cleanup_fd int target = open_own(fs, path);
  if (target < 0)
    return errno == ENOENT ? 0 : fail(error, STAGE_MASK, errno, "%s", path);
  struct stat status;
  if (fstat(target, &status) < 0)
    return fail(error, STAGE_MASK, errno, "%s", path);
  int result = S_ISDIR(status.st_mode) ? mask_directory(masker, target) : mask_file(masker, target);
  return result < 0 ? fail(error, STAGE_MASK, errno, "%s", path) : 0;
}

static int make_readonly(int fs, const char *path, struct error *error) {
  cleanup_fd int target = open_own(fs, path);
  if (target < 0)
    return errno == ENOENT ? 0 : fail(error, STAGE_MASK, errno, "%s", path);
  /* The copy keeps the flags that proc is mounted with. */
  cleanup_fd int copy = mount_clone(target, false);
  if (copy < 0 || mount_set_flags(copy, MOUNT_ATTR_RDONLY, false) < 0 || mount_attach(copy, target) < 0)
    return fail(error, STAGE_MASK, errno, "%s", path);
  return 0;
}

/* Each processor has a directory that tells when it was throttled, which depends on what other containers do. */
static int mask_throttle(struct masker *masker, int sys, struct error *error) {
  int directory = sys_openat2(sys, "devices/system/cpu", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0,
                              RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  if (directory < 0)
    return errno == ENOENT ? 0 : fail(error, STAGE_MASK, errno, "devices/system/cpu");
  DIR *entries = fdopendir(directory);
  if (entries == NULL) {
    int code = errno;
    close(directory);
    return fail(error, STAGE_MASK, code, "devices/system/cpu");
  }
  int result = 0;
  for (struct dirent *entry; result == 0 && (entry = readdir(entries)) != NULL;) {
    if (strncmp(entry->d_name, "cpu", 3) != 0 || entry->d_name[3] < '0' || entry->d_name[3] > '9')
      continue;
    char path[320];
    snprintf(path, sizeof path, "devices/system/cpu/%s/thermal_throttle", entry->d_name);
    result = mask(masker, sys, path, error);
  }
  closedir(entries);
  return result;
}

int standard_mounts_mask(const struct standard_mounts *mounts, struct error *error) {
  struct masker masker = {.null = mounts->null, .empty = -1};
  int result = 0;
  for (size_t i = 0; result == 0 && i < COUNT(readonly_in_proc); i++)
    result = make_readonly(mounts->proc, readonly_in_proc[i], error);
  for (size_t i = 0; result == 0 && i < COUNT(masked_in_proc); i++)
    result = mask(&masker, mounts->proc, masked_in_proc[i], error);
  for (size_t i = 0; result == 0 && i < COUNT(masked_in_sys); i++)
    result = mask(&masker, mounts->sys, masked_in_sys[i], error);
  if (result == 0)
    result = mask_throttle(&masker, mounts->sys, error);
  if (masker.empty >= 0)
    close(masker.empty);
  return result;
}
