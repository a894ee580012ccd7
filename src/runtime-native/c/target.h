/* Paths inside the container's root: found, or made, without ever leaving it. */
#ifndef TSBUILD_TARGET_H
#define TSBUILD_TARGET_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "error.h"

/* A file or directory that was made; what is needed to undo it without a trace. */
struct made {
  /* As seen from the root, free of links. */
  const char *path;
  bool directory;
  /* The modification time of its parent before and after. */
  struct timespec parent_before;
  struct timespec parent_after;
  struct timespec parent_atime;
};

struct target_maker {
  /* The root. */
  int root;
  /* The container's proc file system. */
  int proc;
  /* Owner of what is made. */
  uid_t uid;
  gid_t gid;
  /* Called for each thing made, before anything is made in it; may be NULL. -1 with `error` filled stops. */
  int (*on_made)(void *context, int parent, const struct made *made, struct error *error);
  void *context;
};

/*
 * The file or directory at `path`, following links inside the root, as an O_PATH descriptor. What is missing is made:
 * directories with mode 0755 on the way, and at the end a directory or an empty file as asked. A thing of the other
 * kind at the end is a failure (ENOTDIR, EISDIR). Failures have `stage` and the path.
 */
int target_open(const struct target_maker *maker, const char *path, bool directory, unsigned stage, struct error *error);

/* The path of what is open at `fd` as seen from the root, free of links; -1 with errno, EXDEV for what is outside. */
int target_path(const struct target_maker *maker, int fd, char *path, size_t size);

#endif
