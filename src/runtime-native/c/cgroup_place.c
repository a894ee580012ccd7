#include "cgroup_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cgroup_files.h"
#include "cleanup.h"

/* On a group that was made only to be the parent of others: whoever finds it empty may remove it. */
#define MADE_MARK "trusted.tsbuild.made"
#define MADE_MARK_USER "user.tsbuild.made"

static void fill_set(int directory, int above, const char *file) {
  char text[4096];
  if (cgroup_read_file(directory, file, text, sizeof text) < 0 || strspn(text, " \n") != strlen(text))
    return;
  if (cgroup_read_file(above, file, text, sizeof text) > 0)
    (void)!cgroup_write_file(directory, file, text);
}

int cgroup_make(int directory, const char *name, const char *controllers, bool *made) {
  *made = mkdirat(directory, name, 0755) == 0;
  if (!*made && errno != EEXIST)
    return -1;
  cleanup_fd int child = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (child >= 0 && cgroup_has_word(controllers, "cpuset")) {
    fill_set(child, directory, "cpuset.cpus");
    fill_set(child, directory, "cpuset.mems");
  }
  return steal_fd(&child);
}

static void mark(int directory) {
  if (fsetxattr(directory, MADE_MARK, "1", 1, 0) < 0)
    (void)!fsetxattr(directory, MADE_MARK_USER, "1", 1, 0);
}

static bool is_marked(const char *path) {
  char value;
  return lgetxattr(path, MADE_MARK, &value, 1) == 1 || lgetxattr(path, MADE_MARK_USER, &value, 1) == 1;
}

int cgroup_open_base(struct cgroup_hierarchy *hierarchy, const char *parent) {
  if (parent != NULL && parent[0] == '/')
    hierarchy->path[hierarchy->top_size] = '\0';
  cleanup_fd int directory = open(hierarchy->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || parent == NULL)
    return steal_fd(&directory);
  char copy[PATH_MAX];
  if (snprintf(copy, sizeof copy, "%s", parent) >= (int)sizeof copy ||
      strlen(hierarchy->path) + strlen(copy) + 2 > sizeof hierarchy->path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  char *rest = copy;
  for (char *part; (part = strsep(&rest, "/")) != NULL;) {
    if (*part == '\0')
      continue;
    bool made;
    cleanup_fd int above = steal_fd(&directory);
    directory = cgroup_make(above, part, hierarchy->controllers, &made);
    if (directory < 0)
      return -1;
    if (made)
      mark(directory);
    strcat(strcat(hierarchy->path, "/"), part);
  }
  return steal_fd(&directory);
}

/* The name of a group right below the open one; false if there is none. */
static bool find_below(int directory, char name[256]) {
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = fd < 0 ? NULL : fdopendir(fd);
  bool found = false;
  for (struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;) {
    found = entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (found)
      snprintf(name, 256, "%s", entry->d_name);
  }
  if (entries != NULL)
    closedir(entries);
  return found;
}

/* Goes down and up by descriptors: how deep it is, a stranger has chosen. */
int cgroup_remove_group(int parent, const char *name) {
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
    return 0;
  if (errno != EBUSY)
    return -1;
  cleanup_fd int at = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  char below[256], further[256];
  for (size_t depth = 0; at >= 0;) {
    cleanup_fd int next = -1;
    if (find_below(at, below)) {
      if (unlinkat(at, below, AT_REMOVEDIR) == 0 || errno == ENOENT)
        continue;
      next = errno == EBUSY ? openat(at, below, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
      if (next >= 0 && !find_below(next, further)) {
        errno = EBUSY;
        return -1;
      }
      depth++;
    } else if (depth == 0) {
      return unlinkat(parent, name, AT_REMOVEDIR);
    } else {
      next = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      depth--;
    }
    cleanup_fd_at(&at);
    at = steal_fd(&next);
  }
  return -1;
}

void cgroup_remove_above(const struct cgroup_hierarchy *hierarchy, const char *path) {
  char above[PATH_MAX];
  snprintf(above, sizeof above, "%s", path);
  for (bool first = true; strlen(above) > hierarchy->top_size; first = false) {
    if ((!first && !is_marked(above)) || rmdir(above) < 0)
      return;
    *strrchr(above, '/') = '\0';
  }
}
