#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "wanted.h"

/* A layer with more entries than these is none that this list was made for. */
#define LIST_MAX (256u << 20)

static int identify(int parent, const char *name, struct wanted_entry *entry) {
  struct statx status;
  if (statx(parent, name, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &status) < 0)
    return -1;
  *entry = (struct wanted_entry){.inode = status.stx_ino};
  if ((status.stx_mask & STATX_BTIME) != 0) {
    entry->birth_sec = status.stx_btime.tv_sec;
    entry->birth_nsec = status.stx_btime.tv_nsec;
  }
  return 0;
}

int wanted_list_add(int beside, int parent, const char *name, const struct wanted *wanted) {
  struct wanted_entry entry;
  if (identify(parent, name, &entry) < 0)
    return -1;
  entry.uid = wanted->uid;
  entry.gid = wanted->gid;
  cleanup_fd int fd = openat(beside, WANTED_LIST, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  return fd < 0 ? -1 : write_all(fd, &entry, sizeof entry);
}

static int compare(const void *a, const void *b) {
  const struct wanted_entry *one = a, *other = b;
  return one->inode < other->inode ? -1 : one->inode > other->inode;
}

int wanted_list_read(int root, struct wanted_list *list) {
  *list = (struct wanted_list){.entries = NULL};
  cleanup_fd int fd = openat(root, "../" WANTED_LIST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? 0 : -1;
  size_t size;
  if (read_to_end(fd, LIST_MAX, (uint8_t **)&list->entries, &size) < 0)
    return -1;
  list->count = size / sizeof list->entries[0];
  qsort(list->entries, list->count, sizeof list->entries[0], compare);
  return 0;
}

/* A FUSE file system, through which a layer may have been written, tells the number but no birth time. */
static bool is_born_like(const struct wanted_entry *entry, const struct wanted_entry *found) {
  return (entry->birth_sec == 0 && entry->birth_nsec == 0) ||
         (entry->birth_sec == found->birth_sec && entry->birth_nsec == found->birth_nsec);
}

int wanted_list_get(const struct wanted_list *list, int parent, const char *name, struct stat *stat) {
  struct wanted_entry key;
  if (list->count == 0)
    return 0;
  if (identify(parent, name, &key) < 0)
    return -1;
  const struct wanted_entry *found =
      bsearch(&key, list->entries, list->count, sizeof list->entries[0], compare);
  if (found == NULL)
    return 0;
  /* One of several with this number, perhaps: all but one of those files are gone. */
  while (found > list->entries && found[-1].inode == key.inode)
    found--;
  for (; found < list->entries + list->count && found->inode == key.inode; found++) {
    if (!is_born_like(found, &key))
      continue;
    const struct wanted wanted = {.uid = found->uid, .gid = found->gid};
    return wanted_apply(&wanted, stat);
  }
  return 0;
}
