#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "syscalls.h"
#include "unpack.h"
#include "userns.h"
#include "wanted.h"

int unpack_lower_stat(struct unpack *unpack, const struct layer_node *node, struct stat *stat, int *layer,
                      struct error *error) {
  if (unpack->lower.count == 0 || layer_is_hidden(node))
    return 0;
  const char *path = layer_path(&unpack->paths, node, error);
  if (path == NULL)
    return -1;
  if ((*layer = layer_set_find(&unpack->lower, path)) < 0)
    return errno == ENOENT ? 0 : fail(error, TREE_SOURCE, errno, "/%s", path);
  cleanup_fd int fd =
      sys_openat2(*layer, path[0] == '\0' ? "." : path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, LAYER_EXACTLY);
  if (fd < 0 || fstat(fd, stat) < 0)
    return fail(error, TREE_SOURCE, errno, "/%s", path);
  const bool has_attributes = S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode);
  if (has_attributes && !userns_is_initial() && wanted_get_open(fd, stat) < 0)
    return fail(error, TREE_SOURCE, errno, "/%s", path);
  return 1;
}

int unpack_copy_up(struct unpack *unpack, struct layer_node *node, struct error *error) {
  struct stat stat;
  int layer;
  int status = unpack_lower_stat(unpack, node, &stat, &layer, error);
  if (status <= 0 || !S_ISREG(stat.st_mode))
    return status < 0 ? -1 : 0;
  if (unpack_make_parents(unpack, node->parent, error) < 0 || unpack_begin(unpack, FILES_HOST_FILE, node, error) < 0)
    return -1;
  unpack_like(unpack, &stat);
  cleanup_free char *source = NULL;
  if (asprintf(&source, "/proc/self/fd/%d/%s", layer, unpack->files.operation.path) < 0)
    return fail(error, TREE_PROTOCOL, ENOMEM, "path");
  unpack->files.operation.text = source;
  status = files_apply(&unpack->files, error);
  unpack->files.operation.text = NULL;
  if (status < 0 || layer_record(node, LAYER_OTHER, NULL, error) < 0)
    return -1;
  node->implied = true;
  return 1;
}
