#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "capability.h"
#include "cleanup.h"
#include "files.h"
#include "userns.h"
#include "wanted.h"

#define SYMLINK_TO_FD_MAX 64

/* Overlay's own attributes would let the content of a layer say what is hidden and where, ours who owns what. */
bool files_is_reserved_xattr(const char *name) {
  return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0 ||
         strcmp(name, WANTED_XATTR) == 0;
}

/* Sets each attribute on `fd`, or on `place` by its path in /proc where `fd` is negative. */
static int set_xattrs(struct files_state *state, int fd, const struct place *place, struct error *error) {
  const struct files_operation *operation = &state->operation;
  size_t size = operation->record.xattrs_size, at = 0;
  while (at < size) {
    uint32_t sizes[2];
    if (size - at < sizeof sizes)
      return fail(error, TREE_PROTOCOL, 0, "attributes are cut");
    memcpy(sizes, operation->xattrs + at, sizeof sizes);
    at += sizeof sizes;
    char name[XATTR_NAME_MAX + 1];
    if (sizes[0] == 0 || sizes[0] > XATTR_NAME_MAX || sizes[0] > size - at || sizes[1] > size - at - sizes[0])
      return fail(error, TREE_PROTOCOL, 0, "attributes are cut");
    memcpy(name, operation->xattrs + at, sizes[0]);
    name[sizes[0]] = '\0';
    const void *value = operation->xattrs + at + sizes[0];
    at += (size_t)sizes[0] + sizes[1];
    if (files_is_reserved_xattr(name))
      return fail(error, TREE_PROTOCOL, 0, "attribute %s is reserved", name);
    size_t value_size = sizes[1];
    struct vfs_ns_cap_data plain;
    /* As it is in the layer that this becomes (pack.c). The value itself may be every entry's, of a global header. */
    if (strcmp(name, CAPABILITY_XATTR) == 0 && capability_is_of_unknown_root(value, value_size)) {
      memcpy(&plain, value, sizeof plain);
      value_size = capability_to_plain(&plain, sizeof plain);
      value = &plain;
    }
    int status;
    if (fd >= 0) {
      status = fsetxattr(fd, name, value, value_size, 0);
    } else {
      char path[SYMLINK_TO_FD_MAX + NAME_MAX + 1];
      if ((size_t)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", place->parent, place->name) >= sizeof path)
        return fail(error, TREE_METADATA, ENAMETOOLONG, "%s", operation->path);
      status = lsetxattr(path, name, value, value_size, 0);
      /* Only files and directories can have user attributes. */
      if (status < 0 && errno == EPERM && strncmp(name, "user.", 5) == 0)
        continue;
    }
    if (status < 0 && errno != ENOTSUP)
      return fail(error, TREE_METADATA, errno, "%s", operation->path);
  }
  return 0;
}

static void times_of(const struct files_record *record, struct timespec times[2]) {
  times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
  times[1] = (struct timespec){.tv_sec = record->mtime_sec, .tv_nsec = record->mtime_nsec};
}

/* Only a directory may have been there before, with an owner that it is not meant to have any more. */
static int set_wanted(const struct files_record *record, int fd, bool is_directory) {
  struct wanted wanted = {.uid = record->uid, .gid = record->gid};
  if (record->op == FILES_NODE) {
    wanted.type = record->mode & S_IFMT;
    wanted.device = makedev(record->major, record->minor);
  }
  return is_directory || wanted_is_needed(&wanted) ? wanted_set(fd, &wanted) : 0;
}

int files_set_metadata(struct files_state *state, int fd, struct error *error) {
  const struct files_record *record = &state->operation.record;
  struct stat stat;
  if (fstat(fd, &stat) < 0)
    return fail(error, TREE_METADATA, errno, "%s", state->operation.path);
  mode_t mode = stat.st_mode & 07777;
  const uid_t uid = wanted_possible_uid(record->uid);
  const gid_t gid = wanted_possible_gid(record->gid);
  /* The owner first: changing it clears the setuid and setgid bits and capabilities. */
  if (stat.st_uid != uid || stat.st_gid != gid) {
    if (fchown(fd, uid, gid) < 0)
      return fail(error, TREE_METADATA, errno, "%s", state->operation.path);
    mode = 0xffff;
  }
  if (!userns_is_initial() && set_wanted(record, fd, S_ISDIR(stat.st_mode)) < 0)
    return fail(error, TREE_METADATA, errno, "%s", state->operation.path);
  if (mode != (record->mode & 07777) && fchmod(fd, record->mode & 07777) < 0)
    return fail(error, TREE_METADATA, errno, "%s", state->operation.path);
  if (set_xattrs(state, fd, NULL, error) < 0)
    return -1;
  if ((record->flags & FILES_HAS_MTIME) == 0)
    return 0;
  if (S_ISDIR(stat.st_mode))
    return files_remember_time(state, error);
  struct timespec times[2];
  times_of(record, times);
  return futimens(fd, times) < 0 ? fail(error, TREE_METADATA, errno, "%s", state->operation.path) : 0;
}

int files_set_metadata_at(struct files_state *state, const struct place *place, struct error *error) {
  const struct files_record *record = &state->operation.record;
  const char *path = state->operation.path;
  const struct wanted wanted = {.uid = record->uid, .gid = record->gid};
  const uid_t uid = wanted_possible_uid(record->uid);
  const gid_t gid = wanted_possible_gid(record->gid);
  if (uid != geteuid() || gid != getegid() || place->parent_setgid) {
    if (fchownat(place->parent, place->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
      return fail(error, TREE_METADATA, errno, "%s", path);
  }
  if (wanted_is_needed(&wanted) && wanted_list_add(state->beside, place->parent, place->name, &wanted) < 0)
    return fail(error, TREE_METADATA, errno, "%s", path);
  if (set_xattrs(state, -1, place, error) < 0)
    return -1;
  if ((record->flags & FILES_HAS_MTIME) == 0)
    return 0;
  struct timespec times[2];
  times_of(record, times);
  if (utimensat(place->parent, place->name, times, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(error, TREE_METADATA, errno, "%s", path);
  return 0;
}
