#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "syscalls.h"
#include "unpack.h"
#include "userns.h"
#include "wanted.h"

/* Paths have no symbolic links in their parents any more, and lower layers do not change. */
#define EXACTLY (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

static bool is_missing(int code) {
  return code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG;
}

int unpack_lower_stat(struct unpack *unpack, const struct layer_node *node, struct stat *stat, struct error *error) {
  if (unpack->lower < 0 || layer_is_hidden(node))
    return 0;
  const char *path = layer_path(&unpack->paths, node, error);
  if (path == NULL)
    return -1;
  cleanup_fd int fd = sys_openat2(unpack->lower, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, EXACTLY);
  if (fd < 0)
    return is_missing(errno) ? 0 : fail(error, TREE_SOURCE, errno, "/%s", path);
  if (fstat(fd, stat) < 0)
    return fail(error, TREE_SOURCE, errno, "/%s", path);
  const bool has_attributes = S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode);
  if (has_attributes && !userns_is_initial() && wanted_get_open(fd, stat) < 0)
    return fail(error, TREE_SOURCE, errno, "/%s", path);
  /* A single layer is no overlay, and shows its whiteouts. */
  return !(S_ISCHR(stat->st_mode) && stat->st_rdev == 0);
}

int unpack_copy_up(struct unpack *unpack, struct layer_node *node, struct error *error) {
  struct stat stat;
  int status = unpack_lower_stat(unpack, node, &stat, error);
  if (status <= 0 || !S_ISREG(stat.st_mode))
    return status < 0 ? -1 : 0;
  if (unpack_make_parents(unpack, node->parent, error) < 0 || unpack_begin(unpack, FILES_HOST_FILE, node, error) < 0)
    return -1;
  unpack_like(unpack, &stat);
  cleanup_free char *source = NULL;
  if (asprintf(&source, "/proc/self/fd/%d/%s", unpack->lower, unpack->files.operation.path) < 0)
    return fail(error, TREE_PROTOCOL, ENOMEM, "path");
  unpack->files.operation.text = source;
  status = files_apply(&unpack->files, error);
  unpack->files.operation.text = NULL;
  if (status < 0 || layer_record(node, LAYER_OTHER, NULL, error) < 0)
    return -1;
  node->implied = true;
  return 1;
}
