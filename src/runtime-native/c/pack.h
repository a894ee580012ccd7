/*
 * `pack DIR`: the canonical tar of a layer directory in overlay form, on stdout in frames: a u32 size and that many bytes. A
 * size of 0 is the end, PACK_FAILED a failure, as a record that follows.
 *
 * `pack --digest DIR`: instead of the tar, one frame with its SHA-256 and its size as a u64.
 *
 * Directories come before what is in them and names are in byte order; numbers that fit are in ustar fields, everything else in
 * PAX records; modification times are whole seconds (image-spec/layer.md).
 */
#ifndef TSBUILD_PACK_H
#define TSBUILD_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "sha256.h"

#define PACK_BLOCK 512
#define PACK_FAILED UINT32_MAX

/* One entry as it goes into the tar; the strings need not be text. */
struct pack_header {
  const char *path;
  size_t path_size;
  const char *link;
  size_t link_size;
  char type;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint64_t size;
  int64_t mtime;
  uint32_t major;
  uint32_t minor;
  /* security.capability; NULL when there is none. */
  const void *capability;
  size_t capability_size;
};

struct pack_output {
  int fd;
  /* Where only this is wanted, what takes the tar's bytes in their place. */
  struct sha256 *hash;
  uint8_t *buffer;
  size_t used;
};

/* Sends what is buffered, as one frame, or hashes it. */
int pack_flush(struct pack_output *output, struct error *error);
/*
 * Sends what is left and the end of the frames; or, if `status` or the sending of the rest is a failure, that. The exit
 * status of the process.
 */
int pack_end(struct pack_output *output, int status, struct error *error);
/* Hashes what is left and sends the digest. */
int pack_send_digest(struct pack_output *output, struct error *error);
int pack_write(struct pack_output *output, const void *data, size_t size, struct error *error);
/* Zeroes up to the next block after content of `size` bytes. */
int pack_pad(struct pack_output *output, uint64_t size, struct error *error);
/* The entry's header, with a PAX header before it where needed. */
int pack_header(struct pack_output *output, const struct pack_header *header, struct error *error);
/* Exactly `size` bytes of the file `fd`; a file that has fewer or more is a failure. */
int pack_content(struct pack_output *output, int fd, uint64_t size, const char *path, struct error *error);

/* Which path had a hard-linked file first. */
struct pack_links {
  struct pack_link *slots;
  size_t capacity;
  size_t count;
};

/* The path that was seen first for the file, or NULL and `path` is remembered. -1 with errno in `*failed`. */
const char *pack_first_path(struct pack_links *links, dev_t device, ino_t inode, const char *path, int *failed);

#endif
