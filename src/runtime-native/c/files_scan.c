#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cleanup.h"
#include "files.h"

struct scan {
  uint64_t hash;
  uint64_t count;
};

/* FNV-1a: it only has to tell a layer from what a power cut left of it. */
static void mix(struct scan *scan, const void *data, size_t size) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < size; i++)
    scan->hash = (scan->hash ^ bytes[i]) * 0x100000001b3;
}

static int visit(void *context, const struct tree_entry *entry, struct error *error) {
  (void)error;
  struct scan *scan = context;
  const struct stat *stat = &entry->stat;
  int64_t numbers[] = {stat->st_mode,
                       stat->st_uid,
                       stat->st_gid,
                       S_ISDIR(stat->st_mode) ? 0 : stat->st_size,
                       (int64_t)stat->st_rdev,
                       stat->st_mtim.tv_sec,
                       stat->st_mtim.tv_nsec,
                       entry->opaque};
  mix(scan, entry->path, entry->path_size + 1);
  mix(scan, numbers, sizeof numbers);
  scan->count++;
  if (entry->opaque)
    printf("/%s%c", entry->path, '\0');
  return 0;
}

/* Prints the opaque directories, each followed by a zero byte, and at the end the fingerprint. */
int files_scan(const char *path) {
  struct error error;
  struct scan scan = {.hash = 0xcbf29ce484222325};
  int status = 0;
  cleanup_fd int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int opaque = root < 0 ? -1 : tree_is_opaque(root);
  if (opaque < 0)
    status = fail(&error, TREE_ROOT, errno, "%s", path);
  if (opaque == 1)
    printf("/%c", '\0');
  if (status == 0)
    status = tree_walk(root, visit, &scan, &error);
  printf("%" PRIu64 "-%016" PRIx64, scan.count, scan.hash);
  if (status == 0 && fflush(stdout) != 0)
    status = fail(&error, TREE_WRITE, errno, "stdout");
  if (status < 0)
    tree_report(STDERR_FILENO, &error);
  return status < 0 ? 1 : 0;
}

int files_remove(const char *path) {
  struct error error;
  if (tree_remove(AT_FDCWD, path, path, &error) == 0)
    return 0;
  tree_report(STDERR_FILENO, &error);
  return 1;
}
