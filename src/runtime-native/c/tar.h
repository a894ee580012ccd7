/*
 * A streaming reader of tar archives: ustar, PAX, GNU and v7, as src/layer/reader.ts reads them. Everything in an archive is
 * a stranger's: numbers, sizes and names are checked here, where names lead is for the user of the reader to check.
 */
#ifndef TSBUILD_TAR_H
#define TSBUILD_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "sha256.h"

#define TAR_BLOCK 512
/* Largest number that is exact in JavaScript, where others read the same archives. */
#define TAR_NUMBER_MAX ((1ll << 53) - 1)

/* ---- tar_input.c: the bytes of an archive, and their digest ---- */

struct tar_input {
  int fd;
  /* The archive comes in frames, a u32 size and that many bytes, and ends with a size of 0; else with the file. */
  bool framed;
  bool ended;
  uint32_t frame_left;
  uint8_t *buffer;
  size_t start;
  size_t end;
  /* Bytes at `start` that are the archive's. */
  size_t ready;
  struct sha256 hash;
};

/* 1 when there is something at hand, 0 at the end. */
int tar_fill(struct tar_input *input, struct error *error);
/* Whole or not at all: 1, or 0 at the end. */
int tar_take(struct tar_input *input, void *data, size_t size, struct error *error);
int tar_skip(struct tar_input *input, uint64_t size, struct error *error);
/* Reads on to the end, for the digest. */
int tar_drain(struct tar_input *input, struct error *error);

/* ---- tar_header.c: the block in front of an entry ---- */

struct tar_header {
  /* Terminated. */
  char name[256 + 1];
  char link[100 + 1];
  char type;
  bool is_gnu;
  int64_t mode;
  int64_t uid;
  int64_t gid;
  int64_t size;
  int64_t mtime;
  int64_t major;
  int64_t minor;
};

int tar_parse_header(const uint8_t block[TAR_BLOCK], struct tar_header *header, struct error *error);
/* A field of a header: octal digits, or GNU's base-256 form. */
int tar_parse_number(const uint8_t *field, size_t size, int64_t *value, struct error *error);

/* ---- tar_pax.c: what extended headers say ---- */

enum tar_field {
  TAR_PATH,
  TAR_LINK,
  TAR_SIZE,
  TAR_UID,
  TAR_GID,
  TAR_MTIME,
  TAR_SPARSE_NAME,
  TAR_SPARSE_SIZE,
  TAR_SPARSE_REAL_SIZE,
  TAR_SPARSE_MAJOR,
  TAR_SPARSE_MAP,
  /* In the form of struct files_operation. */
  TAR_XATTRS,
  TAR_FIELD_COUNT,
};

/* Terminated bytes that grow. */
struct tar_text {
  bool is_set;
  char *data;
  size_t size;
  size_t capacity;
};

struct tar_fields {
  struct tar_text texts[TAR_FIELD_COUNT];
  bool is_sparse;
};

int tar_append(struct tar_text *text, const void *data, size_t size, struct error *error);
int tar_copy_fields(struct tar_fields *fields, const struct tar_fields *from, struct error *error);
/* Adds the records in `data`, later ones winning. */
int tar_parse_pax(const uint8_t *data, size_t size, struct tar_fields *fields, struct error *error);
/* Decimal digits and nothing else, at most TAR_NUMBER_MAX. */
bool tar_parse_decimal(const char *text, size_t size, int64_t *value);
/* Seconds with a fraction, which may be negative; what is finer than nanoseconds is cut. */
bool tar_parse_time(const char *text, size_t size, int64_t *seconds, uint32_t *nanoseconds);

/* ---- tar_sparse.c: files that are stored without their zeroes ---- */

struct tar_part {
  int64_t offset;
  int64_t size;
};

struct tar_map {
  struct tar_part *parts;
  size_t count;
  size_t capacity;
};

struct tar_reader;

/* The map in an old GNU header and the blocks that follow it; the size of the file becomes *size. */
int tar_read_gnu_map(struct tar_reader *reader, const uint8_t block[TAR_BLOCK], uint64_t *size, struct error *error);
/* The map of a PAX format: in its records, or in front of the content. */
int tar_read_pax_map(struct tar_reader *reader, struct error *error);
/* Writes the file that `map` describes to `fd`; where it has nothing there are holes. */
int tar_expand(struct tar_reader *reader, int fd, const char *path, struct error *error);

/* ---- tar_reader.c ---- */

struct tar_limits {
  uint64_t entries;
  uint64_t path_bytes;
  /* Of one extended header. */
  uint64_t header_bytes;
};

enum tar_type { TAR_FILE, TAR_HARD_LINK, TAR_SYMLINK, TAR_CHARACTER, TAR_BLOCK_DEVICE, TAR_DIRECTORY, TAR_FIFO };

/* Valid until the next one is read. */
struct tar_entry {
  enum tar_type type;
  const char *path;
  const char *link;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  int64_t mtime_sec;
  uint32_t mtime_nsec;
  uint32_t major;
  uint32_t minor;
  const struct tar_text *xattrs;
  bool is_sparse;
  /* Of the file as it will be. */
  uint64_t size;
};

/* An extended header that waits for its entry. */
struct tar_extension {
  char type;
  uint8_t *data;
  size_t size;
};

#define TAR_EXTENSIONS_MAX 17

struct tar_reader {
  struct tar_input input;
  struct tar_limits limits;
  struct tar_header header;
  struct tar_fields globals;
  struct tar_fields fields;
  struct tar_extension extensions[TAR_EXTENSIONS_MAX];
  size_t extension_count;
  uint64_t count;
  struct tar_entry entry;
  struct tar_map map;
  bool has_map;
  /* Of the entry at hand: bytes that are stored and not read yet, and the padding after them. */
  uint64_t left;
  uint64_t padding;
};

/* Reads an archive from `fd` with the digest of what comes. */
void tar_open(struct tar_reader *reader, int fd, bool framed, const struct tar_limits *limits);
/* 1 for an entry, 0 at the end of the archive; what was not read of the entry before is passed over. */
int tar_next(struct tar_reader *reader, struct error *error);
/* Writes the content of the file at hand to the empty file `fd`. `path` is what a failure is about. */
int tar_content(struct tar_reader *reader, int fd, const char *path, struct error *error);
/* The next `size` stored bytes of the entry at hand. */
int tar_write_stored(struct tar_reader *reader, int fd, uint64_t size, const char *path, struct error *error);
int tar_take_stored(struct tar_reader *reader, void *data, size_t size, struct error *error);
void tar_close(struct tar_reader *reader);

#endif
