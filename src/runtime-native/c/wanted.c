#include "wanted.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "userns.h"

uid_t wanted_possible_uid(uid_t uid) { return userns_has_uid(uid) ? uid : 0; }

gid_t wanted_possible_gid(gid_t gid) { return userns_has_gid(gid) ? gid : 0; }

/* `UID:GID`, and for a device `:c:MAJOR:MINOR` or `:b:...` after it. */
size_t wanted_format(const struct wanted *wanted, char *text, size_t size) {
  int used = snprintf(text, size, "%u:%u", wanted->uid, wanted->gid);
  if (S_ISCHR(wanted->type) || S_ISBLK(wanted->type))
    used += snprintf(text + used, size - (size_t)used, ":%c:%u:%u", S_ISCHR(wanted->type) ? 'c' : 'b',
                     major(wanted->device), minor(wanted->device));
  return (size_t)used;
}

bool wanted_parse(const char *text, size_t size, struct wanted *wanted) {
  char copy[WANTED_TEXT_MAX];
  if (size >= sizeof copy || memchr(text, '\0', size) != NULL)
    return false;
  memcpy(copy, text, size);
  copy[size] = '\0';
  unsigned uid, gid, device_major = 0, device_minor = 0;
  char type = 0;
  int owner_end = 0, end = 0;
  int fields = sscanf(copy, "%10u:%10u%n:%c:%10u:%10u%n", &uid, &gid, &owner_end, &type, &device_major, &device_minor, &end);
  bool is_owner = fields == 2 && (size_t)owner_end == size;
  bool is_device = fields == 5 && (size_t)end == size && (type == 'c' || type == 'b');
  if (!is_owner && !is_device)
    return false;
  *wanted = (struct wanted){.type = !is_device ? 0 : type == 'c' ? S_IFCHR : S_IFBLK,
                            .uid = uid,
                            .gid = gid,
                            .device = makedev(device_major, device_minor)};
  return true;
}

bool wanted_apply(const struct wanted *wanted, struct stat *stat) {
  const struct stat before = *stat;
  /* A change of owner since then counts. */
  if (stat->st_uid == 0)
    stat->st_uid = wanted->uid;
  if (stat->st_gid == 0)
    stat->st_gid = wanted->gid;
  /* A device as long as nobody has written to its stand-in; 0:0 would delete something. */
  if (wanted->type != 0 && S_ISREG(stat->st_mode) && stat->st_size == 0 && wanted->device != 0) {
    stat->st_mode = wanted->type | (stat->st_mode & 07777);
    stat->st_rdev = wanted->device;
  }
  return stat->st_uid != before.st_uid || stat->st_gid != before.st_gid || stat->st_mode != before.st_mode;
}

bool wanted_is_needed(const struct wanted *wanted) {
  return !userns_has_uid(wanted->uid) || !userns_has_gid(wanted->gid) || wanted->type != 0;
}

int wanted_set(int fd, const struct wanted *wanted) {
  char text[WANTED_TEXT_MAX];
  if (!wanted_is_needed(wanted))
    return fremovexattr(fd, WANTED_XATTR) < 0 && errno != ENODATA && errno != ENOTSUP ? -1 : 0;
  return fsetxattr(fd, WANTED_XATTR, text, wanted_format(wanted, text, sizeof text), 0);
}

static int apply_text(const char *text, ssize_t size, struct stat *stat) {
  struct wanted wanted;
  if (size < 0)
    return errno == ENODATA || errno == ENOTSUP || errno == ERANGE ? 0 : -1;
  return wanted_parse(text, (size_t)size, &wanted) && wanted_apply(&wanted, stat);
}

int wanted_get_open(int fd, struct stat *stat) {
  char path[32], text[WANTED_TEXT_MAX];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return apply_text(text, getxattr(path, WANTED_XATTR, text, sizeof text), stat);
}

int wanted_get(int parent, const char *name, struct stat *stat) {
  char path[sizeof "/proc/self/fd/" + 16 + NAME_MAX], text[WANTED_TEXT_MAX];
  if ((size_t)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", parent, name) >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  return apply_text(text, lgetxattr(path, WANTED_XATTR, text, sizeof text), stat);
}
