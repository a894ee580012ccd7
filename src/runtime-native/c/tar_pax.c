/* PAX extended headers: `<length> <key>=<value>\n` records (POSIX.1-2017, pax, "pax Extended Header"). */
#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "tar.h"
#include "tree.h"

#define XATTR_PREFIX "SCHILY.xattr."
#define SPARSE_PREFIX "GNU.sparse."
/* Global headers add up; a map of the largest number of parts fits. */
#define TEXT_MAX (48u << 20)

static int malformed(struct error *error) { return fail(error, TREE_ARCHIVE, 0, "a PAX record is malformed"); }

int tar_append(struct tar_text *text, const void *data, size_t size, struct error *error) {
  if (size > TEXT_MAX - text->size)
    return fail(error, TREE_LIMIT, 0, "its extended headers have too much data");
  size_t needed = text->size + size + 1;
  if (needed > text->capacity) {
    size_t capacity = needed < 64 ? 64 : needed * 2;
    char *grown = realloc(text->data, capacity);
    if (grown == NULL)
      return fail(error, TREE_PROTOCOL, ENOMEM, "extended header");
    text->data = grown;
    text->capacity = capacity;
  }
  if (size > 0)
    memcpy(text->data + text->size, data, size);
  text->size += size;
  text->data[text->size] = '\0';
  text->is_set = true;
  return 0;
}

static void clear(struct tar_text *text) {
  text->is_set = false;
  text->size = 0;
}

static int set(struct tar_text *text, const void *data, size_t size, struct error *error) {
  clear(text);
  return tar_append(text, data, size, error);
}

int tar_copy_fields(struct tar_fields *fields, const struct tar_fields *from, struct error *error) {
  fields->is_sparse = from->is_sparse;
  for (size_t i = 0; i < TAR_FIELD_COUNT; i++) {
    clear(&fields->texts[i]);
    if (from->texts[i].is_set && tar_append(&fields->texts[i], from->texts[i].data, from->texts[i].size, error) < 0)
      return -1;
  }
  return 0;
}

bool tar_parse_decimal(const char *text, size_t size, int64_t *value) {
  *value = 0;
  for (size_t i = 0; i < size; i++) {
    if (text[i] < '0' || text[i] > '9')
      return false;
    *value = *value * 10 + (text[i] - '0');
    if (*value > TAR_NUMBER_MAX)
      return false;
  }
  return size > 0;
}

bool tar_parse_time(const char *text, size_t size, int64_t *seconds, uint32_t *nanoseconds) {
  const bool negative = size > 0 && text[0] == '-';
  size_t at = negative, digits = 0;
  for (*seconds = 0; at < size && text[at] >= '0' && text[at] <= '9' && digits < 18; at++, digits++)
    *seconds = *seconds * 10 + (text[at] - '0');
  if (digits == 0 || (at < size && text[at++] != '.'))
    return false;
  *nanoseconds = 0;
  for (uint32_t unit = 100000000; at < size; at++, unit /= 10) {
    if (text[at] < '0' || text[at] > '9')
      return false;
    *nanoseconds += (uint32_t)(text[at] - '0') * unit;
  }
  if (negative) {
    *seconds = -*seconds - (*nanoseconds > 0);
    *nanoseconds = *nanoseconds > 0 ? 1000000000 - *nanoseconds : 0;
  }
  return true;
}

static int set_xattr(struct tar_fields *fields, const char *name, size_t name_size, const void *value,
                     size_t value_size, struct error *error) {
  struct tar_text *xattrs = &fields->texts[TAR_XATTRS];
  char terminated[XATTR_NAME_MAX + 1];
  if (name_size > XATTR_NAME_MAX || memchr(name, '\0', name_size) != NULL)
    return fail(error, TREE_ARCHIVE, 0, "the name of an extended attribute is malformed");
  memcpy(terminated, name, name_size);
  terminated[name_size] = '\0';
  if (files_is_reserved_xattr(terminated))
    return 0;
  const uint32_t sizes[2] = {(uint32_t)name_size, (uint32_t)value_size};
  if (xattrs->size + sizeof sizes + name_size + value_size > FILES_XATTRS_MAX)
    return fail(error, TREE_LIMIT, 0, "the extended attributes of an entry have more than %u bytes", FILES_XATTRS_MAX);
  if (tar_append(xattrs, sizes, sizeof sizes, error) < 0 || tar_append(xattrs, name, name_size, error) < 0)
    return -1;
  return tar_append(xattrs, value, value_size, error);
}

/* Format 0.0 repeats two keys for each part of the file; 0.1 has all of them in one. */
static int set_sparse(struct tar_fields *fields, const char *key, const void *value, size_t size,
                      struct error *error) {
  static const struct {
    const char *key;
    enum tar_field field;
  } known[] = {{"name", TAR_SPARSE_NAME},
               {"size", TAR_SPARSE_SIZE},
               {"realsize", TAR_SPARSE_REAL_SIZE},
               {"major", TAR_SPARSE_MAJOR},
               {"map", TAR_SPARSE_MAP}};
  fields->is_sparse = true;
  struct tar_text *map = &fields->texts[TAR_SPARSE_MAP];
  if (strcmp(key, "offset") == 0 || strcmp(key, "numbytes") == 0) {
    if (map->is_set && tar_append(map, ",", 1, error) < 0)
      return -1;
    return tar_append(map, value, size, error);
  }
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(key, known[i].key) != 0)
      continue;
    if (known[i].field == TAR_SPARSE_NAME && memchr(value, '\0', size) != NULL)
      return fail(error, TREE_ARCHIVE, 0, "the PAX record \"GNU.sparse.name\" has a zero byte");
    return set(&fields->texts[known[i].field], value, size, error);
  }
  return 0;
}

static int check_value(enum tar_field field, const char *key, const char *value, size_t size, struct error *error) {
  int64_t number;
  uint32_t nanoseconds;
  switch (field) {
  case TAR_PATH:
  case TAR_LINK:
    if (memchr(value, '\0', size) != NULL)
      return fail(error, TREE_ARCHIVE, 0, "the PAX record \"%s\" has a zero byte", key);
    return 0;
  case TAR_MTIME:
    if (!tar_parse_time(value, size, &number, &nanoseconds))
      return fail(error, TREE_ARCHIVE, 0, "the PAX record \"mtime\" is no time: \"%.*s\"", (int)size, value);
    return 0;
  default:
    if (!tar_parse_decimal(value, size, &number))
      return fail(error, TREE_ARCHIVE, 0, "the PAX record \"%s\" is no number: \"%.*s\"", key, (int)size, value);
    return 0;
  }
}

/* `key` is terminated. Keys that mean nothing to us are passed over. */
static int set_field(struct tar_fields *fields, const char *key, size_t key_size, const char *value, size_t size,
                     struct error *error) {
  static const struct {
    const char *key;
    enum tar_field field;
  } known[] = {{"path", TAR_PATH}, {"linkpath", TAR_LINK}, {"size", TAR_SIZE},
               {"uid", TAR_UID},   {"gid", TAR_GID},       {"mtime", TAR_MTIME}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(key, known[i].key) != 0)
      continue;
    /* Takes back what a global header said. */
    if (size == 0) {
      clear(&fields->texts[known[i].field]);
      return 0;
    }
    if (check_value(known[i].field, key, value, size, error) < 0)
      return -1;
    return set(&fields->texts[known[i].field], value, size, error);
  }
  const size_t xattr_prefix = sizeof XATTR_PREFIX - 1, sparse_prefix = sizeof SPARSE_PREFIX - 1;
  if (key_size > xattr_prefix && memcmp(key, XATTR_PREFIX, xattr_prefix) == 0)
    return set_xattr(fields, key + xattr_prefix, key_size - xattr_prefix, value, size, error);
  if (strncmp(key, SPARSE_PREFIX, sparse_prefix) == 0)
    return set_sparse(fields, key + sparse_prefix, value, size, error);
  return 0;
}

int tar_parse_pax(const uint8_t *data, size_t size, struct tar_fields *fields, struct error *error) {
  char key[sizeof XATTR_PREFIX + XATTR_NAME_MAX];
  for (size_t at = 0; at < size;) {
    const char *record = (const char *)data + at;
    const size_t left = size - at;
    const char *space = memchr(record, ' ', left < 11 ? left : 11);
    int64_t length;
    if (space == NULL || !tar_parse_decimal(record, (size_t)(space - record), &length) || (uint64_t)length > left ||
        length <= space - record)
      return malformed(error);
    const char *end = record + length;
    const char *equals = memchr(space, '=', (size_t)(end - space));
    if (equals == NULL || equals == space + 1 || end[-1] != '\n')
      return malformed(error);
    const size_t key_size = (size_t)(equals - space) - 1;
    if (key_size < sizeof key) {
      memcpy(key, space + 1, key_size);
      key[key_size] = '\0';
      if (set_field(fields, key, key_size, equals + 1, (size_t)(end - equals) - 2, error) < 0)
        return -1;
    } else if (memcmp(space + 1, XATTR_PREFIX, sizeof XATTR_PREFIX - 1) == 0) {
      return fail(error, TREE_ARCHIVE, 0, "the name of an extended attribute is malformed");
    }
    at += (size_t)length;
  }
  return 0;
}
