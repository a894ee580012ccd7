#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "io.h"

#define BUFFER_SIZE (256u << 10)

/* Reads once into the empty buffer: bytes there are now, 0 at the end, -1 with errno. */
static ssize_t refill(struct files_input *input) {
  if (input->buffer == NULL && (input->buffer = malloc(BUFFER_SIZE)) == NULL)
    return -1;
  ssize_t got;
  do
    got = read(input->fd, input->buffer, BUFFER_SIZE);
  while (got < 0 && errno == EINTR);
  input->start = 0;
  input->end = got < 0 ? 0 : (size_t)got;
  return got;
}

/* 1 when `size` bytes were read, 0 when the input ended before the first of them. */
static int take(struct files_input *input, void *data, size_t size, struct error *error) {
  size_t done = 0;
  while (done < size) {
    if (input->start == input->end) {
      ssize_t got = refill(input);
      if (got < 0)
        return fail(error, TREE_PROTOCOL, errno, "stdin");
      if (got == 0)
        return done == 0 ? 0 : fail(error, TREE_PROTOCOL, 0, "the input ends within an operation");
    }
    size_t part = input->end - input->start;
    if (part > size - done)
      part = size - done;
    memcpy((uint8_t *)data + done, input->buffer + input->start, part);
    input->start += part;
    done += part;
  }
  return 1;
}

static int take_string(struct files_input *input, char **text, size_t size, struct error *error) {
  char *grown = realloc(*text, size + 1);
  if (grown == NULL)
    return fail(error, TREE_PROTOCOL, ENOMEM, "string");
  *text = grown;
  grown[size] = '\0';
  if (size > 0 && take(input, grown, size, error) != 1)
    return fail(error, TREE_PROTOCOL, 0, "the input ends within a string");
  return strlen(grown) == size ? 0 : fail(error, TREE_PROTOCOL, 0, "a string has a zero byte");
}

/* The entry itself is meant, also where the name has a slash after it, as directories in archives have. */
static void trim(char *path) {
  size_t length = strlen(path);
  while (length > 0 && path[length - 1] == '/')
    path[--length] = '\0';
}

int files_read(struct files_state *state, struct error *error) {
  struct files_input *input = &state->input;
  struct files_operation *operation = &state->operation;
  struct files_record *record = &operation->record;
  int status = take(input, record, sizeof *record, error);
  if (status <= 0)
    return status;
  if (record->path_size > FILES_STRING_MAX || record->text_size > FILES_STRING_MAX ||
      record->xattrs_size > FILES_XATTRS_MAX || record->mtime_nsec >= 1000000000)
    return fail(error, TREE_PROTOCOL, 0, "an operation exceeds the limits");
  if (take_string(input, &operation->path, record->path_size, error) < 0 ||
      take_string(input, &operation->text, record->text_size, error) < 0)
    return -1;
  trim(operation->path);
  if (record->op == FILES_LINK)
    trim(operation->text);
  if (record->xattrs_size > 0) {
    uint8_t *grown = realloc(operation->xattrs, record->xattrs_size);
    if (grown == NULL)
      return fail(error, TREE_PROTOCOL, ENOMEM, "attributes");
    operation->xattrs = grown;
    if (take(input, grown, record->xattrs_size, error) != 1)
      return fail(error, TREE_PROTOCOL, 0, "the input ends within attributes");
  }
  return 1;
}

int files_content(struct files_state *state, int fd, struct error *error) {
  struct files_input *input = &state->input;
  const char *path = state->operation.path;
  uint64_t size = state->operation.record.size;
  while (size > 0) {
    if (input->start == input->end) {
      ssize_t got = refill(input);
      if (got <= 0)
        return fail(error, TREE_PROTOCOL, got < 0 ? errno : 0, "the input ends within a file");
    }
    size_t part = input->end - input->start;
    if (part > size)
      part = (size_t)size;
    if (write_all(fd, input->buffer + input->start, part) < 0)
      return fail(error, TREE_WRITE, errno, "%s", path);
    input->start += part;
    size -= part;
  }
  return 0;
}
