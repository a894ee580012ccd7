/*
 * `files`: carries out a list of operations on a file tree.
 *
 * The list comes on stdin as records (struct files_record and its strings, then a file's content), all integers
 * little-endian. On stdout there is one acknowledgement for each FLUSH and for CLOSE, or the first failure, after which the
 * process ends.
 */
#ifndef TSBUILD_FILES_H
#define TSBUILD_FILES_H

#include <stdint.h>
#include <sys/types.h>

#include "spec.h"
#include "stack.h"
#include "tree.h"

enum files_op {
  FILES_DIRECTORY = 1,
  FILES_FILE = 2,
  FILES_HOST_FILE = 3,
  FILES_SYMLINK = 4,
  FILES_LINK = 5,
  FILES_NODE = 6,
  FILES_WHITEOUT = 7,
  FILES_OPAQUE = 8,
  FILES_REMOVE = 9,
  FILES_FLUSH = 10,
  FILES_CLOSE = 11,
};

enum files_flag {
  /* An existing directory gets the new metadata. */
  FILES_UPDATE = 1,
  /* Entries of different types replace each other. */
  FILES_REPLACE = 2,
  FILES_THROUGH = 4,
  FILES_HAS_MTIME = 8,
};

#define FILES_STRING_MAX 65536
#define FILES_XATTRS_MAX (4u << 20)

/* The numbers of one operation. What an operation does not use is zero. */
struct files_record {
  uint32_t op;
  uint32_t flags;
  /* With the type of a node. */
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint32_t mtime_nsec;
  int64_t mtime_sec;
  /* Bytes of content that follow the strings. */
  uint64_t size;
  uint32_t major;
  uint32_t minor;
  uint32_t path_size;
  /* A link's target, or a path on the host. */
  uint32_t text_size;
  uint32_t xattrs_size;
  uint32_t reserved;
};
_Static_assert(sizeof(struct files_record) == 64, "wire format");

struct files_input {
  int fd;
  uint8_t *buffer;
  size_t start;
  size_t end;
};

struct files_operation {
  struct files_record record;
  /* Terminated; memory of the operation, reused by the next. */
  char *path;
  char *text;
  /* Pairs of { u32 name size, u32 value size, name, value }. */
  uint8_t *xattrs;
};

/* A directory whose time is set at the end, or that something was removed meanwhile. */
struct files_time {
  char *path;
  struct timespec mtime;
  bool is_removal;
  /* Position in the list. The rest is for files_settle_times alone. */
  size_t order;
  bool is_gone;
  size_t above;
  size_t latest;
};

struct files_state;

/* Writes the content of the file at hand to `fd`. */
typedef int files_content_source(struct files_state *state, int fd, struct error *error);

struct files_state {
  struct tree tree;
  /* The layers under the tree, where overlayfs cannot stack them. */
  struct stack stack;
  struct overlay_spec overlay;
  files_content_source *content;
  /* The directory that the layer is in, for its list of what is wanted (wanted.h). */
  int beside;
  struct files_input input;
  struct files_operation operation;
  struct files_time *times;
  size_t time_count;
  size_t time_capacity;
  /* Of these. */
  size_t removal_count;
};

/* 1 for an operation, 0 at the end of the input. */
int files_read(struct files_state *state, struct error *error);

/* Content that follows the operation in the input. */
files_content_source files_content;

/* Opens a file of the host, not through a link. Data and attributes are then those of one file, whatever is at the path. */
int files_open_host(const char *source, struct error *error);

/* Copies the open regular file `source` to `fd`. */
int files_copy_data(int source, int fd, const char *source_path, const char *path, struct error *error);

/* Whether a copy keeps an attribute: other ones belong to the file system, such as labels and overlay's own marks. */
bool files_is_copied_xattr(const char *name);

/* Gives `fd` the capabilities and the user's attributes of the host file; after its owner, whose change would drop them. */
int files_copy_xattrs(int source, int fd, const char *source_path, const char *path, struct error *error);

/* Overlay's own attributes would let the content of a layer say what is hidden and where. */
bool files_is_reserved_xattr(const char *name);

/* The directory that a layer's is in; -1 with errno. */
int files_beside(int layer);

/* Tells that what was asked for is done. */
int files_acknowledge(struct error *error);

/* Carries out one operation that makes or removes an entry. */
int files_apply(struct files_state *state, struct error *error);

/* Owner, mode, attributes and time of the open file or directory `fd`. */
int files_set_metadata(struct files_state *state, int fd, struct error *error);

/* The same for an entry that cannot be opened; its mode stays. */
int files_set_metadata_at(struct files_state *state, const struct place *place, struct error *error);

/* Remembers a directory's time for the end, or that its path was removed with all below. */
int files_remember_time(struct files_state *state, struct error *error);
int files_forget_times(struct files_state *state, struct error *error);
/* Drops removals and the times that they make pointless: n log n for all together. */
void files_settle_times(struct files_state *state);
int files_set_times(struct files_state *state, struct error *error);

/*
 * `files scan DIR`: what there is to know of a layer, in frames as of pack.h. They hold fields with zero bytes between them: "o" and the
 * path of an opaque directory; or "x" and the path of an entry with attributes that a copy keeps, then a field with these, each as
 * NAME=VALUE in hexadecimal and ended by a comma; or "w" and the path of an entry that is meant to be something else than it is, then a
 * field with that in the form of wanted.h; at the end the fingerprint.
 */
int files_scan(const char *path);

/* `files remove PATH`: removes a tree of the host; on stdout an acknowledgement or the failure. */
int files_remove(const char *path);

/*
 * `files unpack DIR ENTRIES PATH_BYTES HEADER_BYTES SOURCE LOWER...`: fills the layer directory DIR from an archive with at most
 * that many entries, above the layer directories LOWER, lowest first. SOURCE is a file; where it is empty the archive comes on stdin in
 * frames, a u32 size and that many bytes, the last with the size 0. On stdout the failure, or an acknowledgement whose last number is the size of what follows: the archive's
 * SHA-256, its size as a u64, and the paths that it takes for granted, each with a zero byte.
 */
int files_unpack(int argc, char **argv);

#endif
