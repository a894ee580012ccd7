/* Whole reads and writes on blocking descriptors; EINTR is retried. */
#ifndef TSBUILD_IO_H
#define TSBUILD_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* 0 when all `size` bytes are written, else -1 with errno. */
int write_all(int fd, const void *data, size_t size);

/* Bytes read, fewer than `size` only at the end of the file; -1 with errno. */
ssize_t read_all(int fd, void *data, size_t size);

/* The rest of `fd`, up to `limit` bytes, in memory that the caller frees, with a NUL after it. -1 with errno; EFBIG above the limit. */
int read_to_end(int fd, size_t limit, uint8_t **data, size_t *size);

#endif
