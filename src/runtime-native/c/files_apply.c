#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "files.h"
#include "overlay.h"
#include "userns.h"

static int remove_at(struct files_state *state, const struct place *place, struct error *error) {
  const char *path = state->operation.path;
  if (tree_remove(place->parent, place->name, path, error) < 0)
    return -1;
  tree_forget(&state->tree);
  return files_forget_times(state, error);
}

/* Makes sure that `place` can be created: removes what is in the way as far as the flags allow. 1 if a directory stays. */
static int make_room(struct files_state *state, const struct place *place, bool directory, struct error *error) {
  const char *path = state->operation.path;
  bool replace = (state->operation.record.flags & FILES_REPLACE) != 0;
  struct stat stat;
  if (fstatat(place->parent, place->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : fail(error, TREE_CREATE, errno, "%s", path);
  bool is_directory = S_ISDIR(stat.st_mode);
  if (is_directory && directory)
    return 1;
  if (is_directory != directory && !replace)
    return fail(error, TREE_CONFLICT, 0, "%s", path);
  if (strcmp(place->name, ".") == 0)
    return fail(error, TREE_CONFLICT, 0, "%s", path);
  if (!is_directory && !S_ISLNK(stat.st_mode))
    return unlinkat(place->parent, place->name, 0) < 0 ? fail(error, TREE_REMOVE, errno, "%s", path) : 0;
  if (remove_at(state, place, error) < 0)
    return -1;
  return 0;
}

static int make_directory(struct files_state *state, const struct place *place, struct error *error) {
  const struct files_record *record = &state->operation.record;
  const char *path = state->operation.path;
  if (mkdirat(place->parent, place->name, record->mode & 0777) < 0) {
    if (errno != EEXIST)
      return fail(error, TREE_CREATE, errno, "%s", path);
    int stays = make_room(state, place, true, error);
    if (stays < 0)
      return -1;
    if (stays == 1 && (record->flags & (FILES_UPDATE | FILES_REPLACE)) == 0)
      return 0;
    if (stays == 0 && mkdirat(place->parent, place->name, record->mode & 0777) < 0)
      return fail(error, TREE_CREATE, errno, "%s", path);
  }
  cleanup_fd int fd = tree_open_dir(place->parent, place->name);
  if (fd < 0)
    return fail(error, TREE_CREATE, errno, "%s", path);
  if ((record->mode & S_ISGID) != 0 || state->tree.parent_setgid)
    tree_forget(&state->tree);
  return files_set_metadata(state, fd, error);
}

static int create(const struct place *place, mode_t mode) {
  return openat(place->parent, place->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
}

static int make_file(struct files_state *state, struct place *place, struct error *error) {
  const struct files_operation *operation = &state->operation;
  const struct files_record *record = &operation->record;
  cleanup_free char *resolved = NULL;
  if ((record->flags & FILES_THROUGH) != 0 &&
      tree_follow(&state->tree, operation->path, &resolved, place, error) < 0)
    return -1;
  cleanup_fd int fd = create(place, record->mode);
  if (fd < 0) {
    if (errno != EEXIST && errno != EISDIR)
      return fail(error, TREE_CREATE, errno, "%s", operation->path);
    if (make_room(state, place, false, error) < 0)
      return -1;
    fd = create(place, record->mode);
    if (fd < 0)
      return fail(error, TREE_CREATE, errno, "%s", operation->path);
  }
  if (record->op == FILES_FILE)
    return state->content(state, fd, error) < 0 ? -1 : files_set_metadata(state, fd, error);
  cleanup_fd int source = files_open_host(operation->text, error);
  if (source < 0 || files_copy_data(source, fd, operation->text, operation->path, error) < 0 ||
      files_set_metadata(state, fd, error) < 0)
    return -1;
  return files_copy_xattrs(source, fd, operation->text, operation->path, error);
}

static int make_symlink(struct files_state *state, const struct place *place, struct error *error) {
  const struct files_operation *operation = &state->operation;
  if (symlinkat(operation->text, place->parent, place->name) < 0) {
    if (errno != EEXIST)
      return fail(error, TREE_CREATE, errno, "%s", operation->path);
    if (make_room(state, place, false, error) < 0)
      return -1;
    if (symlinkat(operation->text, place->parent, place->name) < 0)
      return fail(error, TREE_CREATE, errno, "%s", operation->path);
  }
  return files_set_metadata_at(state, place, error);
}

/* The target is opened first, so that the place stays open after it. */
static int make_link(struct files_state *state, struct error *error) {
  const struct files_operation *operation = &state->operation;
  struct place target, place;
  if (tree_parent(&state->tree, operation->text, false, &target, error) < 0)
    return -1;
  if (target.parent < 0)
    return fail(error, TREE_LINK_TARGET, ENOENT, "%s", operation->text);
  cleanup_fd int target_parent = fcntl(target.parent, F_DUPFD_CLOEXEC, 0);
  if (target_parent < 0)
    return fail(error, TREE_CREATE, errno, "%s", operation->path);
  struct stat wanted, present;
  if (fstatat(target_parent, target.name, &wanted, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(error, TREE_LINK_TARGET, errno, "%s", operation->text);
  if (S_ISDIR(wanted.st_mode))
    return fail(error, TREE_LINK_TARGET, EISDIR, "%s", operation->text);
  if (tree_parent(&state->tree, operation->path, true, &place, error) < 0)
    return -1;
  /* A link onto itself is there already. */
  if (fstatat(place.parent, place.name, &present, AT_SYMLINK_NOFOLLOW) == 0 && present.st_dev == wanted.st_dev &&
      present.st_ino == wanted.st_ino)
    return 0;
  if (make_room(state, &place, false, error) < 0)
    return -1;
  /* Without AT_SYMLINK_FOLLOW: a symbolic link gets a further name itself. */
  if (linkat(target_parent, target.name, place.parent, place.name, 0) < 0)
    return fail(error, errno == ENOENT ? TREE_LINK_TARGET : TREE_CREATE, errno, "%s", operation->path);
  return 0;
}

/* For a device that cannot be made here (wanted.h). */
static int make_stand_in(struct files_state *state, const struct place *place, struct error *error) {
  cleanup_fd int fd = create(place, state->operation.record.mode);
  if (fd < 0)
    return fail(error, TREE_CREATE, errno, "%s", state->operation.path);
  return files_set_metadata(state, fd, error);
}

static int make_node(struct files_state *state, const struct place *place, struct error *error) {
  const struct files_record *record = &state->operation.record;
  const char *path = state->operation.path;
  mode_t type = record->mode & S_IFMT;
  dev_t device = makedev(record->major, record->minor);
  if (type != S_IFIFO && type != S_IFCHR && type != S_IFBLK)
    return fail(error, TREE_PROTOCOL, 0, "a node of unknown type");
  /* That would be a whiteout. */
  if (type == S_IFCHR && device == 0)
    return fail(error, TREE_UNSUPPORTED, 0, "%s", path);
  if (make_room(state, place, false, error) < 0)
    return -1;
  if (type != S_IFIFO && !userns_is_initial())
    return make_stand_in(state, place, error);
  if (mknodat(place->parent, place->name, type | (record->mode & 07777), device) < 0)
    return fail(error, TREE_CREATE, errno, "%s", path);
  if (files_set_metadata_at(state, place, error) < 0)
    return -1;
  /* The change of owner clears bits; the entry was made by us and is not a link. */
  if ((record->mode & 07000) != 0 && fchmodat(place->parent, place->name, record->mode & 07777, 0) < 0)
    return fail(error, TREE_METADATA, errno, "%s", path);
  return 0;
}

static int make_whiteout(struct files_state *state, const struct place *place, struct error *error) {
  const char *path = state->operation.path;
  if (strcmp(place->name, ".") == 0)
    return fail(error, TREE_PROTOCOL, 0, "the root cannot be deleted");
  if (remove_at(state, place, error) < 0)
    return -1;
  if (mknodat(place->parent, place->name, S_IFCHR, 0) < 0)
    return fail(error, TREE_CREATE, errno, "%s", path);
  return 0;
}

static int make_opaque(struct files_state *state, const struct place *place, struct error *error) {
  const char *path = state->operation.path;
  if (mkdirat(place->parent, place->name, 0755) < 0 && errno != EEXIST)
    return fail(error, TREE_CREATE, errno, "%s", path);
  cleanup_fd int fd = tree_open_dir(place->parent, place->name);
  if (fd < 0)
    return fail(error, errno == ENOTDIR || errno == ELOOP ? TREE_CONFLICT : TREE_CREATE, errno, "%s", path);
  if (fsetxattr(fd, overlay_opaque_xattr(), "y", 1, 0) < 0)
    return fail(error, TREE_METADATA, errno, "%s", path);
  return 0;
}

static int remove_path(struct files_state *state, struct error *error) {
  struct place place;
  if (tree_parent(&state->tree, state->operation.path, false, &place, error) < 0)
    return -1;
  if (place.parent < 0)
    return 0;
  if (strcmp(place.name, ".") == 0)
    return fail(error, TREE_CONFLICT, 0, "%s", state->operation.path);
  return remove_at(state, &place, error);
}

int files_apply(struct files_state *state, struct error *error) {
  struct place place;
  switch (state->operation.record.op) {
  case FILES_LINK:
    return make_link(state, error);
  case FILES_REMOVE:
    return remove_path(state, error);
  }
  if (tree_parent(&state->tree, state->operation.path, true, &place, error) < 0)
    return -1;
  switch (state->operation.record.op) {
  case FILES_DIRECTORY:
    return make_directory(state, &place, error);
  case FILES_FILE:
  case FILES_HOST_FILE:
    return make_file(state, &place, error);
  case FILES_SYMLINK:
    return make_symlink(state, &place, error);
  case FILES_NODE:
    return make_node(state, &place, error);
  case FILES_WHITEOUT:
    return make_whiteout(state, &place, error);
  case FILES_OPAQUE:
    return make_opaque(state, &place, error);
  default:
    return fail(error, TREE_PROTOCOL, 0, "unknown operation");
  }
}
