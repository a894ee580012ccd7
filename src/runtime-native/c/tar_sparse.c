/*
 * Sparse files, in the old format of GNU tar and in its PAX formats 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files"): the
 * archive holds the parts that are not all zeroes, and a map says where they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tar.h"
#include "tree.h"

#define PARTS_MAX (1u << 20)
#define DIGITS_MAX 20

/* The fields of the old format; blocks that continue the map have only parts in them. */
#define GNU_PARTS 386
#define GNU_PART_COUNT 4
#define GNU_EXTENDED 482
#define GNU_REAL_SIZE 483
#define GNU_BLOCK_PART_COUNT 21
#define GNU_BLOCK_EXTENDED 504

static int malformed(struct error *error) { return fail(error, TREE_ARCHIVE, 0, "the map of a sparse file is malformed"); }

static int bad_number(struct error *error) {
  return fail(error, TREE_ARCHIVE, 0, "a number of a sparse file is malformed");
}

static int add_part(struct tar_map *map, int64_t offset, int64_t size, struct error *error) {
  if (map->count == PARTS_MAX)
    return malformed(error);
  if (map->count == map->capacity) {
    size_t capacity = map->capacity == 0 ? 64 : map->capacity * 2;
    struct tar_part *grown = reallocarray(map->parts, capacity, sizeof *grown);
    if (grown == NULL)
      return fail(error, TREE_PROTOCOL, ENOMEM, "sparse file");
    map->parts = grown;
    map->capacity = capacity;
  }
  map->parts[map->count++] = (struct tar_part){offset, size};
  return 0;
}

/* Up to `count` parts; an empty field ends them. */
static int add_gnu_parts(struct tar_map *map, const uint8_t *at, size_t count, struct error *error) {
  for (; count > 0 && at[12] != '\0'; count--, at += 24) {
    int64_t offset, size;
    if (tar_parse_number(at, 12, &offset, error) < 0 || tar_parse_number(at + 12, 12, &size, error) < 0 ||
        add_part(map, offset, size, error) < 0)
      return -1;
  }
  return 0;
}

int tar_read_gnu_map(struct tar_reader *reader, const uint8_t block[TAR_BLOCK], uint64_t *size, struct error *error) {
  int64_t real_size;
  reader->map.count = 0;
  if (tar_parse_number(block + GNU_REAL_SIZE, 12, &real_size, error) < 0)
    return -1;
  if (real_size < 0)
    return bad_number(error);
  *size = (uint64_t)real_size;
  if (add_gnu_parts(&reader->map, block + GNU_PARTS, GNU_PART_COUNT, error) < 0)
    return -1;
  bool goes_on = block[GNU_EXTENDED] != '\0';
  while (goes_on) {
    uint8_t more[TAR_BLOCK];
    int status = tar_take(&reader->input, more, sizeof more, error);
    if (status <= 0)
      return status < 0 ? -1 : fail(error, TREE_ARCHIVE, 0, "the archive ends early");
    const size_t before = reader->map.count;
    if (add_gnu_parts(&reader->map, more, GNU_BLOCK_PART_COUNT, error) < 0)
      return -1;
    goes_on = more[GNU_BLOCK_EXTENDED] != '\0';
    if (goes_on && reader->map.count == before)
      return malformed(error);
  }
  return 0;
}

/* Numbers of a map as they come: offsets and sizes by turns. */
struct numbers {
  struct tar_map *map;
  bool has_offset;
  int64_t offset;
};

static int add_number(struct numbers *numbers, const char *text, size_t size, struct error *error) {
  int64_t value;
  if (!tar_parse_decimal(text, size, &value))
    return bad_number(error);
  numbers->has_offset = !numbers->has_offset;
  if (!numbers->has_offset)
    return add_part(numbers->map, numbers->offset, value, error);
  numbers->offset = value;
  return 0;
}

static int read_text(struct numbers *numbers, const struct tar_text *text, struct error *error) {
  if (!text->is_set || text->size == 0)
    return 0;
  for (const char *at = text->data, *end = text->data + text->size; at <= end;) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    const char *stop = comma == NULL ? end : comma;
    if (add_number(numbers, at, (size_t)(stop - at), error) < 0)
      return -1;
    at = stop + 1;
  }
  return 0;
}

/* Format 1.0: lines of numbers in front of the content, the count of parts first, filled up to a whole block. */
static int read_lines(struct tar_reader *reader, struct numbers *numbers, struct error *error) {
  char line[DIGITS_MAX];
  size_t length = 0;
  int64_t wanted = -1, got = 0;
  while (wanted < 0 || got < wanted) {
    uint8_t block[TAR_BLOCK];
    if (reader->left == 0)
      return fail(error, TREE_ARCHIVE, 0, "the map of a sparse file is missing");
    if (tar_take_stored(reader, block, sizeof block, error) < 0)
      return -1;
    for (size_t i = 0; i < sizeof block && (wanted < 0 || got < wanted); i++) {
      if (block[i] != '\n') {
        if (length == sizeof line)
          return malformed(error);
        line[length++] = (char)block[i];
        continue;
      }
      if (wanted < 0) {
        if (!tar_parse_decimal(line, length, &wanted))
          return bad_number(error);
        if (wanted >= PARTS_MAX)
          return malformed(error);
        wanted *= 2;
      } else {
        if (add_number(numbers, line, length, error) < 0)
          return -1;
        got++;
      }
      length = 0;
    }
  }
  return 0;
}

int tar_read_pax_map(struct tar_reader *reader, struct error *error) {
  const struct tar_text *major = &reader->fields.texts[TAR_SPARSE_MAJOR];
  struct numbers numbers = {.map = &reader->map};
  reader->map.count = 0;
  int status = major->is_set && strcmp(major->data, "1") == 0
                   ? read_lines(reader, &numbers, error)
                   : read_text(&numbers, &reader->fields.texts[TAR_SPARSE_MAP], error);
  if (status < 0)
    return -1;
  return numbers.has_offset ? malformed(error) : 0;
}

int tar_expand(struct tar_reader *reader, int fd, const char *path, struct error *error) {
  const int64_t size = (int64_t)reader->entry.size;
  int64_t at = 0;
  for (size_t i = 0; i < reader->map.count; i++) {
    const struct tar_part *part = &reader->map.parts[i];
    /* Both are at most TAR_NUMBER_MAX, so that the sum is exact. */
    if (part->size < 0 || part->offset < at || part->offset + part->size > size)
      return malformed(error);
    if ((uint64_t)part->size > reader->left)
      return fail(error, TREE_ARCHIVE, 0, "a sparse file has less content than its map says");
    if (lseek(fd, part->offset, SEEK_SET) < 0)
      return fail(error, TREE_WRITE, errno, "%s", path);
    if (tar_write_stored(reader, fd, (uint64_t)part->size, path, error) < 0)
      return -1;
    at = part->offset + part->size;
  }
  /* A hole at the end, or nothing but a hole. */
  return ftruncate(fd, size) < 0 ? fail(error, TREE_WRITE, errno, "%s", path) : 0;
}
