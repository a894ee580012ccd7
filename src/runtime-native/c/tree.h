/* Work inside a file tree: every path is relative to the tree's root and cannot leave it. */
#ifndef TSBUILD_TREE_H
#define TSBUILD_TREE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "error.h"

/* Where work on a tree can fail. The numbers are wire format: src/runtime-native/files-wire.ts has the same list. */
enum tree_stage {
  /* The operations are not as agreed: a bug of the caller. */
  TREE_PROTOCOL = 1,
  /* The root cannot be opened or mounted. */
  TREE_ROOT = 2,
  /* A parent directory cannot be reached or made. */
  TREE_PARENT = 3,
  /* An entry of another type is in the way. */
  TREE_CONFLICT = 4,
  TREE_CREATE = 5,
  /* The source of a file on the host cannot be read. */
  TREE_SOURCE = 6,
  TREE_WRITE = 7,
  TREE_METADATA = 8,
  /* The target of a hard link is missing or is a directory. */
  TREE_LINK_TARGET = 9,
  TREE_REMOVE = 10,
  TREE_READ = 11,
  /* A layer's file changed while it was read. */
  TREE_CHANGED = 12,
  /* A layer has something that cannot be in a tar. */
  TREE_UNSUPPORTED = 13,
  /* An archive is malformed; the detail says how. */
  TREE_ARCHIVE = 14,
  /* An archive has more of something than is allowed. */
  TREE_LIMIT = 15,
  /* A path of an archive leads out of the root. */
  TREE_ESCAPE = 16,
};

struct tree {
  /* Of the root directory, not O_PATH. */
  int root;
  /* The parent that was opened last, for the next entry beside it; -1 when there is none. */
  int parent;
  char *parent_path;
  /* What was opened may not be what the path leads to now. */
  bool stale;
  /* New entries get the parent's group instead of the process's. */
  bool parent_setgid;
};

/* A name in an open directory; the descriptor belongs to the tree and is valid until the next call of tree_parent. */
struct place {
  int parent;
  bool parent_setgid;
  /* "." for the root itself. */
  const char *name;
};

void tree_init(struct tree *tree, int root);
void tree_close(struct tree *tree);

/* To be called when a directory or a symbolic link was removed. Places that were found stay valid until the next call of tree_parent. */
void tree_forget(struct tree *tree);

/*
 * Finds the parent of `path`, following symbolic links inside the root. Missing directories are made (0755, 0:0) with
 * `create`; without, `place->parent` is -1 when the parent does not exist. `place->name` points into `path`. "" is the root; a
 * path that ends with a slash is refused.
 */
int tree_parent(struct tree *tree, const char *path, bool create, struct place *place, struct error *error);

/*
 * Follows `path` while it is a symbolic link; `*resolved` (which the caller frees) is where its end, which may not exist,
 * belongs, and `place` is in it. Missing parents are made.
 */
int tree_follow(struct tree *tree, const char *path, char **resolved, struct place *place, struct error *error);

/* Removes `name` in `parent` with everything below, without following links; no failure if it is missing. */
int tree_remove(int parent, const char *name, const char *path, struct error *error);

/* What a walk shows of an entry; all of it is only lent. */
struct tree_entry {
  int parent;
  const char *name;
  /* Without a slash at its start or end. */
  const char *path;
  size_t path_size;
  /* With the type, owner and device that it is meant to have (wanted.h). */
  struct stat stat;
  bool is_other;
  /* Of a directory: open, and whether it hides everything of lower layers. -1 for others. */
  int fd;
  bool opaque;
};

typedef int tree_visit(void *context, const struct tree_entry *entry, struct error *error);

/* Visits everything below the directory `root`, but not the root: a directory before its children, names in byte order. */
int tree_walk(int root, tree_visit *visit, void *context, struct error *error);

/* Whether the directory `fd` has overlay's mark; -1 with errno. */
int tree_is_opaque(int fd);

/* Opens `name` in `parent` as a directory to be read, not through a link; -1 with errno. */
int tree_open_dir(int parent, const char *name);

/* Dies with its parent, may open as many files as allowed, and writes to a closed pipe are errors. */
void tree_process_setup(void);

/* Writes the whole failure as a record to `fd`, which nobody may be reading any more. */
void tree_report(int fd, const struct error *error);

#endif
