/*
 * What an entry of a layer is meant to be, where it cannot be that here: in a user namespace a file cannot have an owner that
 * is not mapped (chown(2)), nor be a device (mknod(2)). The owner is 0 then and the device an empty file; what they are meant
 * to be is an attribute beside the content, which overlay copies along, and comes back where a layer is read.
 *
 * Symbolic links and fifos can have no attribute: theirs is in a list beside the layer's directory, by inode.
 */
#ifndef TSBUILD_WANTED_H
#define TSBUILD_WANTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define WANTED_XATTR "user.tsbuild.wanted"
#define WANTED_TEXT_MAX 96
/* In the parent of a layer's directory. */
#define WANTED_LIST "wanted"

/* Type bits, owner and device count. */
struct wanted {
  mode_t type;
  uid_t uid;
  gid_t gid;
  dev_t device;
};

/* The nearest owner that there is. */
uid_t wanted_possible_uid(uid_t uid);
gid_t wanted_possible_gid(gid_t gid);

/* The attribute's text; false if it is none. */
bool wanted_parse(const char *text, size_t size, struct wanted *wanted);
size_t wanted_format(const struct wanted *wanted, char *text, size_t size);

/* Puts `wanted` in place of what `stat` says, as far as that is what stands in for it. Whether anything differs. */
bool wanted_apply(const struct wanted *wanted, struct stat *stat);

/* Whether a file cannot be that here. */
bool wanted_is_needed(const struct wanted *wanted);

/* Records what the open file or directory is meant to be, or that it is what it is. -1 with errno. */
int wanted_set(int fd, const struct wanted *wanted);

/* Reads it into `stat` for the file or directory `fd`, which may be O_PATH, or `name` in `parent`. 1 if anything differs, -1 with errno. */
int wanted_get_open(int fd, struct stat *stat);
int wanted_get(int parent, const char *name, struct stat *stat);

/* One line of the list. A birth time tells an inode from a later one of the same number (statx(2)). */
struct wanted_entry {
  uint64_t inode;
  int64_t birth_sec;
  uint32_t birth_nsec;
  uint32_t uid;
  uint32_t gid;
  uint32_t reserved;
};

struct wanted_list {
  struct wanted_entry *entries;
  size_t count;
};

/* Adds `name` in `parent`, which is in the layer whose directory has the parent `beside`. -1 with errno. */
int wanted_list_add(int beside, int parent, const char *name, const struct wanted *wanted);

/* What is in the list beside the layer `root`; an empty list where there is none. The caller frees its entries. -1 with errno. */
int wanted_list_read(int root, struct wanted_list *list);

/* As wanted_get, for what can have no attribute. */
int wanted_list_get(const struct wanted_list *list, int parent, const char *name, struct stat *stat);

#endif
