#include "layer_set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "syscalls.h"
#include "tree.h"

int layer_set_open(struct layer_set *set, const struct string_list *lower, uint32_t stage, struct error *error) {
  *set = (struct layer_set){.layers = calloc(lower->count + 1, sizeof(int))};
  if (set->layers == NULL)
    return fail(error, stage, ENOMEM, "layers");
  for (size_t i = lower->count; i-- > 0;) {
    const int fd = open(lower->items[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
      fail(error, stage, errno, "%s", lower->items[i]);
      layer_set_close(set);
      return -1;
    }
    set->layers[set->count++] = fd;
  }
  return 0;
}

void layer_set_close(struct layer_set *set) {
  while (set->count > 0)
    close(set->layers[--set->count]);
  free(set->layers);
  set->layers = NULL;
}

static bool is_missing(int code) {
  return code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG;
}

/*
 * Keeps of the first `*count` of `open`, layers in which the parent is visible, those in which the directory at `path` is. The first
 * of them is where the path comes from, also when it is no directory; none when it is not there.
 */
static int narrow(const struct layer_set *set, const char *path, int *open, size_t *count, bool *is_directory) {
  size_t kept = 0;
  *is_directory = true;
  for (size_t i = 0; i < *count; i++) {
    cleanup_fd int fd = sys_openat2(set->layers[open[i]], path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, LAYER_EXACTLY);
    struct stat stat;
    if (fd < 0 && is_missing(errno))
      continue;
    if (fd < 0 || fstat(fd, &stat) < 0)
      return -1;
    if (S_ISCHR(stat.st_mode) && stat.st_rdev == 0)
      break;
    if (!S_ISDIR(stat.st_mode)) {
      /* Hides what is below, and is hidden by a directory above. */
      if (kept == 0) {
        open[kept++] = open[i];
        *is_directory = false;
      }
      break;
    }
    cleanup_fd int directory = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int opaque = directory < 0 ? -1 : tree_is_opaque(directory);
    if (opaque < 0)
      return -1;
    open[kept++] = open[i];
    if (opaque == 1)
      break;
  }
  *count = kept;
  return 0;
}

int layer_set_find(const struct layer_set *set, const char *path) {
  cleanup_free int *open = calloc(set->count + 1, sizeof *open);
  cleanup_free char *prefix = strdup(path);
  size_t count = set->count;
  if (open == NULL || prefix == NULL)
    return -1;
  for (size_t i = 0; i < count; i++)
    open[i] = (int)i;
  for (char *end = prefix; end != NULL && count > 0;) {
    bool is_directory;
    end = strchr(end, '/');
    if (end != NULL)
      *end = '\0';
    if (narrow(set, prefix[0] == '\0' ? "." : prefix, open, &count, &is_directory) < 0)
      return -1;
    if (end != NULL) {
      *end++ = '/';
      if (!is_directory)
        count = 0;
    }
  }
  if (count == 0) {
    errno = ENOENT;
    return -1;
  }
  return set->layers[open[0]];
}
