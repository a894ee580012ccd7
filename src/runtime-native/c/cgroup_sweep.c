#include "cgroup_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cgroup_files.h"
#include "cgroup_place.h"
#include "cleanup.h"
#include "io.h"

/* PF_EXITING of the kernel, in the flags that proc(5) shows. */
#define IS_EXITING 4

/* `text` is what /proc/PID/stat says: pid (name) state ppid pgrp session tty tpgid flags ... */
static bool is_ending(const char *text) {
  const char *state = strrchr(text, ')');
  char letter;
  unsigned flags;
  if (state == NULL || sscanf(state, ") %c %*d %*d %*d %*d %*d %u", &letter, &flags) != 2)
    return false;
  return letter == 'Z' || letter == 'X' || (flags & IS_EXITING) != 0;
}

/*
 * Whether the process in the name of a group is gone, by the host's /proc: this one may be in another pid namespace. One that
 * nobody has reaped is gone, too, and so is one that ends: a helper may wait for its frozen containers to do so.
 */
static bool is_stale(const char *name) {
  const char *dot = strrchr(name, '.');
  if (dot == NULL || dot[1] == '\0' || strspn(dot + 1, "0123456789") != strlen(dot + 1))
    return false;
  char path[32], text[512];
  if (snprintf(path, sizeof path, "/proc/%s/stat", dot + 1) >= (int)sizeof path)
    return false;
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT;
  ssize_t size = read_all(fd, text, sizeof text - 1);
  if (size <= 0)
    return size < 0 && errno == ESRCH;
  text[size] = '\0';
  return is_ending(text);
}

/* A process that version 1 has frozen cannot die of the signal it got when its runtime did. */
static void thaw(int parent, const char *name) {
  cleanup_fd int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (directory >= 0)
    (void)!cgroup_write_file(directory, "freezer.state", "THAWED");
}

/* One that still has a process stays: the kernel refuses to remove it. */
void cgroup_sweep_below(const struct cgroup_hierarchy *hierarchy) {
  char path[PATH_MAX + sizeof CGROUP_PARENT + 1];
  snprintf(path, sizeof path, "%s/" CGROUP_PARENT, hierarchy->path);
  DIR *entries = opendir(path);
  if (entries == NULL)
    return;
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (entry->d_type != DT_DIR || !is_stale(entry->d_name))
      continue;
    if (cgroup_has_word(hierarchy->controllers, "freezer"))
      thaw(dirfd(entries), entry->d_name);
    (void)!cgroup_remove_group(dirfd(entries), entry->d_name);
  }
  closedir(entries);
  cgroup_remove_above(hierarchy, path);
}

void cgroup_sweep(const struct cgroup *found) {
  for (size_t i = 0; i < found->count; i++)
    cgroup_sweep_below(&found->hierarchies[i]);
}
