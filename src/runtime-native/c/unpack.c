#include "unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"

/* Names that delete instead of adding (image-spec/layer.md#whiteouts); others with the second prefix are AUFS's bookkeeping. */
#define WHITEOUT ".wh."
#define METADATA ".wh..wh."
#define OPAQUE ".wh..wh..opq"

static bool starts_with(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

int unpack_begin(struct unpack *unpack, enum files_op op, const struct layer_node *node, struct error *error) {
  const char *path = layer_path(&unpack->paths, node, error);
  if (path == NULL)
    return -1;
  unpack->files.operation = (struct files_operation){
      .record = {.op = op, .flags = FILES_REPLACE},
      .path = (char *)path,
  };
  return 0;
}

void unpack_like(struct unpack *unpack, const struct stat *stat) {
  struct files_record *record = &unpack->files.operation.record;
  record->flags |= FILES_HAS_MTIME;
  record->mode = stat->st_mode & 07777;
  record->uid = stat->st_uid;
  record->gid = stat->st_gid;
  record->mtime_sec = stat->st_mtim.tv_sec;
  record->mtime_nsec = (uint32_t)stat->st_mtim.tv_nsec;
}

/* Starts an operation with the metadata of the entry at hand. */
static int begin_entry(struct unpack *unpack, enum files_op op, const struct layer_node *node, struct error *error) {
  if (unpack_begin(unpack, op, node, error) < 0)
    return -1;
  const struct tar_entry *entry = &unpack->reader.entry;
  struct files_operation *operation = &unpack->files.operation;
  operation->record.flags |= FILES_HAS_MTIME;
  operation->record.mode = entry->mode;
  operation->record.uid = entry->uid;
  operation->record.gid = entry->gid;
  operation->record.mtime_sec = entry->mtime_sec;
  operation->record.mtime_nsec = entry->mtime_nsec;
  operation->record.size = entry->size;
  if (entry->xattrs->is_set) {
    operation->record.xattrs_size = (uint32_t)entry->xattrs->size;
    operation->xattrs = (uint8_t *)entry->xattrs->data;
  }
  return 0;
}

static int content_of_entry(struct files_state *state, int fd, struct error *error) {
  struct unpack *unpack = (struct unpack *)state;
  return tar_content(&unpack->reader, fd, state->operation.path, error);
}
_Static_assert(offsetof(struct unpack, files) == 0, "content_of_entry");

/* Splits a path of the archive at its last name, which gets *size bytes; 0 for a path without names. `..` is refused. */
static int split(const char *path, const char **name, size_t *size, struct error *error) {
  *size = 0;
  for (const char *at = path; *at != '\0';) {
    at += strspn(at, "/");
    const size_t length = strcspn(at, "/");
    if (length == 2 && at[0] == '.' && at[1] == '.')
      return fail(error, TREE_ESCAPE, 0, "%s", path);
    if (length > 0 && !(length == 1 && at[0] == '.')) {
      *name = at;
      *size = length;
    }
    at += length;
  }
  return 0;
}

/* Whether the last name, at `name`, is in one of AUFS's own directories at the top of a layer, such as `.wh..wh.plnk`. */
static bool is_in_metadata(const char *path, const char *name) {
  for (;;) {
    path += strspn(path, "/");
    if (path[0] != '.' || (path[1] != '/' && path[1] != '\0'))
      break;
    path++;
  }
  return path < name && starts_with(path, METADATA);
}

static int set_kind(struct unpack *unpack, struct layer_node *node, enum layer_kind kind, const char *target,
                    struct error *error) {
  if (kind == LAYER_SYMLINK || node->kind != LAYER_NOTHING)
    unpack_forget_last(unpack);
  return layer_record(node, kind, target, error);
}

static int add_link(struct unpack *unpack, struct layer_node *node, struct error *error) {
  const struct tar_entry *entry = &unpack->reader.entry;
  const char *name = NULL;
  size_t size;
  if (split(entry->link, &name, &size, error) < 0)
    return -1;
  if (size == 0)
    return fail(error, TREE_ARCHIVE, 0, "the hard link \"%s\" has no target", entry->path);
  struct layer_node *dir = unpack_resolve(unpack, entry->link, (size_t)(name - entry->link), error);
  struct layer_node *target = dir == NULL ? NULL : layer_child(&unpack->paths, dir, name, size, error);
  if (target == NULL)
    return -1;
  if (target == node)
    return 0;
  if (target->kind == LAYER_NOTHING && unpack_copy_up(unpack, target, error) < 0)
    return -1;
  if (target->kind == LAYER_NOTHING || target->kind == LAYER_DIRECTORY)
    return fail(error, TREE_ARCHIVE, 0, "the hard link \"%s\" has the target \"%s\", which is no file of the layer",
                entry->path, entry->link);
  const char *path = layer_path(&unpack->paths, target, error);
  cleanup_free char *text = path == NULL ? NULL : strdup(path);
  if (text == NULL)
    return path == NULL ? -1 : fail(error, TREE_PROTOCOL, ENOMEM, "path");
  if (set_kind(unpack, node, target->kind, target->target, error) < 0 ||
      unpack_begin(unpack, FILES_LINK, node, error) < 0)
    return -1;
  unpack->files.operation.text = text;
  int status = files_apply(&unpack->files, error);
  unpack->files.operation.text = NULL;
  return status;
}

static int add_plain(struct unpack *unpack, struct layer_node *node, struct error *error) {
  static const struct {
    enum files_op op;
    enum layer_kind kind;
    uint32_t type_bits;
  } kinds[] = {
      [TAR_FILE] = {FILES_FILE, LAYER_OTHER, 0},
      [TAR_HARD_LINK] = {FILES_LINK, LAYER_OTHER, 0},
      [TAR_SYMLINK] = {FILES_SYMLINK, LAYER_SYMLINK, 0},
      [TAR_CHARACTER] = {FILES_NODE, LAYER_OTHER, S_IFCHR},
      [TAR_BLOCK_DEVICE] = {FILES_NODE, LAYER_OTHER, S_IFBLK},
      [TAR_DIRECTORY] = {FILES_DIRECTORY, LAYER_DIRECTORY, 0},
      [TAR_FIFO] = {FILES_NODE, LAYER_OTHER, S_IFIFO},
  };
  const struct tar_entry *entry = &unpack->reader.entry;
  if (entry->type == TAR_HARD_LINK)
    return add_link(unpack, node, error);
  if (entry->type == TAR_SYMLINK && entry->link[0] == '\0')
    return fail(error, TREE_ARCHIVE, 0, "the symbolic link \"%s\" has no target", entry->path);
  if (set_kind(unpack, node, kinds[entry->type].kind, entry->link, error) < 0 ||
      begin_entry(unpack, kinds[entry->type].op, node, error) < 0)
    return -1;
  struct files_operation *operation = &unpack->files.operation;
  operation->record.mode |= kinds[entry->type].type_bits;
  if (operation->record.op == FILES_NODE && entry->type != TAR_FIFO) {
    operation->record.major = entry->major;
    operation->record.minor = entry->minor;
  }
  if (entry->type == TAR_SYMLINK)
    operation->text = (char *)entry->link;
  return files_apply(&unpack->files, error);
}

static int add_root(struct unpack *unpack, struct error *error) {
  const struct tar_entry *entry = &unpack->reader.entry;
  if (entry->type != TAR_DIRECTORY)
    return fail(error, TREE_ARCHIVE, 0, "\"%s\" is no directory", entry->path);
  if (begin_entry(unpack, FILES_DIRECTORY, unpack->paths.root, error) < 0)
    return -1;
  return files_apply(&unpack->files, error);
}

static int add_whiteout(struct unpack *unpack, struct layer_node *dir, const char *name, size_t size,
                        struct error *error) {
  if (size == 0 || (size == 1 && name[0] == '.') || (size == 2 && name[0] == '.' && name[1] == '.'))
    return fail(error, TREE_ESCAPE, 0, WHITEOUT "%.*s", (int)size, name);
  struct layer_node *node = layer_child(&unpack->paths, dir, name, size, error);
  if (node == NULL)
    return -1;
  node->hidden = true;
  unpack_forget_last(unpack);
  return 0;
}

static int add_entry(struct unpack *unpack, struct error *error) {
  const char *path = unpack->reader.entry.path, *name = NULL;
  size_t size;
  if (split(path, &name, &size, error) < 0)
    return -1;
  if (size == 0)
    return add_root(unpack, error);
  if (is_in_metadata(path, name))
    return 0;
  const bool is_opaque = size == strlen(OPAQUE) && starts_with(name, OPAQUE);
  if (!is_opaque && starts_with(name, METADATA))
    return 0;
  struct layer_node *dir = unpack_resolve(unpack, path, (size_t)(name - path), error);
  if (dir == NULL)
    return -1;
  if (!is_opaque && starts_with(name, WHITEOUT))
    return add_whiteout(unpack, dir, name + strlen(WHITEOUT), size - strlen(WHITEOUT), error);
  if (unpack_make_parents(unpack, dir, error) < 0)
    return -1;
  if (is_opaque) {
    dir->opaque = true;
    unpack_forget_last(unpack);
    return 0;
  }
  struct layer_node *node = layer_child(&unpack->paths, dir, name, size, error);
  return node == NULL ? -1 : add_plain(unpack, node, error);
}

static int mark(struct unpack *unpack, enum files_op op, const struct layer_node *node, struct error *error) {
  if (unpack_begin(unpack, op, node, error) < 0)
    return -1;
  return files_apply(&unpack->files, error);
}

/*
 * Whiteouts hide what is below the layer, never what is in it, wherever they stand in the archive, so they wait for the last entry.
 * Below what is no directory, and below a whiteout, there is nothing left to hide.
 */
static int finish(struct unpack *unpack, struct error *error) {
  struct layer_node *root = unpack->paths.root;
  if (root->opaque && mark(unpack, FILES_OPAQUE, root, error) < 0)
    return -1;
  bool skip = false;
  for (struct layer_node *node = root; (node = layer_walk(root, node, skip)) != NULL;) {
    skip = node->kind != LAYER_DIRECTORY && (node->kind != LAYER_NOTHING || node->hidden);
    int status = 0;
    if (node->kind == LAYER_DIRECTORY && (node->hidden || node->opaque)) {
      status = mark(unpack, FILES_OPAQUE, node, error);
    } else if (node->kind == LAYER_NOTHING && node->hidden) {
      status = unpack_make_parents(unpack, node->parent, error);
      if (status == 0)
        status = mark(unpack, FILES_WHITEOUT, node, error);
    }
    if (status < 0)
      return -1;
  }
  return files_set_times(&unpack->files, error);
}

int unpack_archive(struct unpack *unpack, struct error *error) {
  int status;
  unpack->files.content = content_of_entry;
  while ((status = tar_next(&unpack->reader, error)) == 1) {
    if (add_entry(unpack, error) < 0)
      return -1;
  }
  if (status < 0 || tar_drain(&unpack->reader.input, error) < 0)
    return -1;
  return finish(unpack, error);
}
