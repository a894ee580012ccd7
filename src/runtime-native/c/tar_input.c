#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tar.h"
#include "tree.h"

#define BUFFER_SIZE (256u << 10)

/* Reads more behind what is there, making room first: bytes that came, 0 at the end. */
static int read_more(struct tar_input *input, size_t *got, struct error *error) {
  if (input->buffer == NULL && (input->buffer = malloc(BUFFER_SIZE)) == NULL)
    return fail(error, TREE_PROTOCOL, ENOMEM, "archive");
  memmove(input->buffer, input->buffer + input->start, input->end - input->start);
  input->end -= input->start;
  input->start = 0;
  ssize_t status;
  do
    status = read(input->fd, input->buffer + input->end, BUFFER_SIZE - input->end);
  while (status < 0 && errno == EINTR);
  if (status < 0)
    return fail(error, TREE_PROTOCOL, errno, "archive");
  *got = (size_t)status;
  input->end += *got;
  return 0;
}

/* The size in front of the next frame. */
static int open_frame(struct tar_input *input, struct error *error) {
  while (input->end - input->start < sizeof input->frame_left) {
    size_t got = 0;
    if (read_more(input, &got, error) < 0)
      return -1;
    if (got == 0)
      return fail(error, TREE_PROTOCOL, 0, "the input ends within the archive");
  }
  memcpy(&input->frame_left, input->buffer + input->start, sizeof input->frame_left);
  input->start += sizeof input->frame_left;
  input->ended = input->frame_left == 0;
  return 0;
}

int tar_fill(struct tar_input *input, struct error *error) {
  if (input->ready > 0)
    return 1;
  if (!input->ended && input->framed && input->frame_left == 0 && open_frame(input, error) < 0)
    return -1;
  if (input->ended)
    return 0;
  if (input->start == input->end) {
    size_t got = 0;
    if (read_more(input, &got, error) < 0)
      return -1;
    if (got == 0 && input->framed)
      return fail(error, TREE_PROTOCOL, 0, "the input ends within the archive");
    if (got == 0) {
      input->ended = true;
      return 0;
    }
  }
  input->ready = input->end - input->start;
  if (input->framed) {
    if (input->ready > input->frame_left)
      input->ready = input->frame_left;
    input->frame_left -= (uint32_t)input->ready;
  }
  sha256_update(&input->hash, input->buffer + input->start, input->ready);
  return 1;
}

static int ends_early(struct error *error) { return fail(error, TREE_ARCHIVE, 0, "the archive ends early"); }

int tar_take(struct tar_input *input, void *data, size_t size, struct error *error) {
  for (size_t done = 0; done < size;) {
    int status = tar_fill(input, error);
    if (status < 0)
      return -1;
    if (status == 0)
      return done == 0 ? 0 : ends_early(error);
    size_t part = input->ready < size - done ? input->ready : size - done;
    memcpy((uint8_t *)data + done, input->buffer + input->start, part);
    input->start += part;
    input->ready -= part;
    done += part;
  }
  return 1;
}

int tar_skip(struct tar_input *input, uint64_t size, struct error *error) {
  while (size > 0) {
    int status = tar_fill(input, error);
    if (status <= 0)
      return status < 0 ? -1 : ends_early(error);
    size_t part = input->ready < size ? input->ready : (size_t)size;
    input->start += part;
    input->ready -= part;
    size -= part;
  }
  return 0;
}

int tar_drain(struct tar_input *input, struct error *error) {
  int status;
  while ((status = tar_fill(input, error)) == 1) {
    input->start += input->ready;
    input->ready = 0;
  }
  return status;
}
