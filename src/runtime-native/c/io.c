#include "io.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"

int write_all(int fd, const void *data, size_t size) {
  const uint8_t *at = data;
  while (size > 0) {
    ssize_t written = write(fd, at, size);
    if (written < 0) {
      if (errno == EINTR)
        continue;
      return -1;
    }
    at += written;
    size -= (size_t)written;
  }
  return 0;
}

ssize_t read_all(int fd, void *data, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t got = read(fd, (uint8_t *)data + done, size - done);
    if (got < 0) {
      if (errno == EINTR)
        continue;
      return -1;
    }
    if (got == 0)
      break;
    done += (size_t)got;
  }
  return (ssize_t)done;
}

int read_to_end(int fd, size_t limit, uint8_t **data, size_t *size) {
  cleanup_free uint8_t *buffer = NULL;
  size_t capacity = 0, used = 0;
  for (;;) {
    if (used > limit) {
      errno = EFBIG;
      return -1;
    }
    if (capacity - used < 2) {
      size_t wanted = capacity == 0 ? 16384 : capacity * 2;
      uint8_t *grown = realloc(buffer, wanted);
      if (grown == NULL)
        return -1;
      buffer = grown;
      capacity = wanted;
    }
    /* One byte stays free for the NUL. */
    ssize_t got = read_all(fd, buffer + used, capacity - used - 1);
    if (got < 0)
      return -1;
    if (got == 0)
      break;
    used += (size_t)got;
  }
  buffer[used] = '\0';
  *data = steal_pointer(&buffer);
  *size = used;
  return 0;
}
