#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "tar.h"
#include "tree.h"

#define ID_MAX 0xfffffffell
#define SHOWN_BYTES 80

static uint64_t padded(uint64_t size) { return (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK; }

void tar_open(struct tar_reader *reader, int fd, bool framed, const struct tar_limits *limits) {
  *reader = (struct tar_reader){.input = {.fd = fd, .framed = framed}, .limits = *limits};
  sha256_init(&reader->input.hash);
}

static void drop_extensions(struct tar_reader *reader) {
  while (reader->extension_count > 0)
    free(reader->extensions[--reader->extension_count].data);
}

void tar_close(struct tar_reader *reader) {
  drop_extensions(reader);
  for (size_t i = 0; i < TAR_FIELD_COUNT; i++) {
    free(reader->globals.texts[i].data);
    free(reader->fields.texts[i].data);
  }
  free(reader->map.parts);
  free(reader->input.buffer);
}

/* The content of an extended header; the caller frees it. */
static int read_extension(struct tar_reader *reader, struct tar_extension *extension, struct error *error) {
  const uint64_t size = (uint64_t)reader->header.size;
  if (size > reader->limits.header_bytes)
    return fail(error, TREE_LIMIT, 0, "an extended header has more than %llu bytes",
                (unsigned long long)reader->limits.header_bytes);
  const uint64_t whole = padded(size);
  *extension = (struct tar_extension){reader->header.type, malloc(whole + 1), size};
  if (extension->data == NULL)
    return fail(error, TREE_PROTOCOL, ENOMEM, "extended header");
  int status = whole == 0 ? 1 : tar_take(&reader->input, extension->data, whole, error);
  if (status == 1)
    return 0;
  free(extension->data);
  return status < 0 ? -1 : fail(error, TREE_ARCHIVE, 0, "the archive ends early");
}

static int read_global(struct tar_reader *reader, struct error *error) {
  struct tar_extension extension;
  if (read_extension(reader, &extension, error) < 0)
    return -1;
  int status = tar_parse_pax(extension.data, extension.size, &reader->globals, error);
  free(extension.data);
  return status;
}

static int apply_extension(struct tar_fields *fields, const struct tar_extension *extension, struct error *error) {
  if (extension->type == 'x' || extension->type == 'X')
    return tar_parse_pax(extension->data, extension->size, fields, error);
  struct tar_text *name = &fields->texts[extension->type == 'L' ? TAR_PATH : TAR_LINK];
  name->size = 0;
  return tar_append(name, extension->data, strnlen((const char *)extension->data, extension->size), error);
}

/* Reads headers up to an entry's own, which stays in `block`: 1, or 0 at the end of the archive. */
static int next_header(struct tar_reader *reader, uint8_t block[TAR_BLOCK], struct error *error) {
  static const uint8_t zeroes[TAR_BLOCK];
  for (;;) {
    int status = tar_take(&reader->input, block, TAR_BLOCK, error);
    if (status < 0)
      return -1;
    if (status == 0 || memcmp(block, zeroes, TAR_BLOCK) == 0)
      return reader->extension_count == 0 ? 0
                                          : fail(error, TREE_ARCHIVE, 0, "an extended header has no entry");
    if (reader->extension_count == TAR_EXTENSIONS_MAX)
      return fail(error, TREE_LIMIT, 0, "an entry has too many extended headers");
    if (tar_parse_header(block, &reader->header, error) < 0)
      return -1;
    switch (reader->header.type) {
    case 'x':
    case 'X':
    case 'L':
    case 'K':
      if (read_extension(reader, &reader->extensions[reader->extension_count], error) < 0)
        return -1;
      reader->extension_count++;
      break;
    case 'g':
      if (read_global(reader, error) < 0)
        return -1;
      break;
    case 'V':
      /* The label of a volume. */
      if (tar_skip(&reader->input, padded((uint64_t)reader->header.size), error) < 0)
        return -1;
      break;
    default:
      return 1;
    }
  }
}

static int64_t number_of(const struct tar_fields *fields, enum tar_field field, int64_t otherwise) {
  int64_t value;
  const struct tar_text *text = &fields->texts[field];
  return text->is_set && tar_parse_decimal(text->data, text->size, &value) ? value : otherwise;
}

static const char *text_of(const struct tar_fields *fields, enum tar_field field, const char *otherwise) {
  return fields->texts[field].is_set ? fields->texts[field].data : otherwise;
}

static int type_of(struct tar_reader *reader, int64_t stored_size, struct error *error) {
  struct tar_entry *entry = &reader->entry;
  const char type = reader->header.type;
  const size_t length = strlen(entry->path);
  if (type == 'S' && reader->header.is_gnu) {
    entry->type = TAR_FILE;
    return 0;
  }
  if (type < '0' || type > '7')
    return fail(error, TREE_ARCHIVE, 0, "\"%s\" has the unknown type \"%c\"", entry->path, type);
  static const enum tar_type types[] = {TAR_FILE,         TAR_HARD_LINK, TAR_SYMLINK, TAR_CHARACTER,
                                        TAR_BLOCK_DEVICE, TAR_DIRECTORY, TAR_FIFO,    TAR_FILE};
  entry->type = types[type - '0'];
  /* Before directories had a type, a slash told them. */
  if (type == '0' && stored_size == 0 && length > 0 && entry->path[length - 1] == '/')
    entry->type = TAR_DIRECTORY;
  return 0;
}

static int check_path(const struct tar_reader *reader, const char *path, struct error *error) {
  if (strlen(path) <= reader->limits.path_bytes)
    return 0;
  return fail(error, TREE_LIMIT, 0, "a path has more than %llu bytes: \"%.*s...\"",
              (unsigned long long)reader->limits.path_bytes, SHOWN_BYTES, path);
}

static int fill_numbers(struct tar_reader *reader, struct error *error) {
  const struct tar_header *header = &reader->header;
  struct tar_entry *entry = &reader->entry;
  const int64_t uid = number_of(&reader->fields, TAR_UID, header->uid);
  const int64_t gid = number_of(&reader->fields, TAR_GID, header->gid);
  if (uid < 0 || uid > ID_MAX || gid < 0 || gid > ID_MAX)
    return fail(error, TREE_ARCHIVE, 0, "the owner %lld:%lld of \"%s\" is out of range", (long long)uid,
                (long long)gid, entry->path);
  if (header->major < 0 || header->major > UINT32_MAX || header->minor < 0 || header->minor > UINT32_MAX)
    return fail(error, TREE_ARCHIVE, 0, "the device number of \"%s\" is out of range", entry->path);
  entry->mode = (uint32_t)(header->mode & 07777);
  entry->uid = (uint32_t)uid;
  entry->gid = (uint32_t)gid;
  entry->major = (uint32_t)header->major;
  entry->minor = (uint32_t)header->minor;
  entry->mtime_sec = header->mtime;
  entry->mtime_nsec = 0;
  const struct tar_text *mtime = &reader->fields.texts[TAR_MTIME];
  if (mtime->is_set)
    (void)tar_parse_time(mtime->data, mtime->size, &entry->mtime_sec, &entry->mtime_nsec);
  return 0;
}

/* How much is stored of a file, and how large it is. */
static int fill_sizes(struct tar_reader *reader, const uint8_t block[TAR_BLOCK], int64_t stored_size,
                      struct error *error) {
  struct tar_entry *entry = &reader->entry;
  const struct tar_text *texts = reader->fields.texts;
  /* Other entries have no content, whatever their size says. */
  const uint64_t stored = entry->type == TAR_FILE ? (uint64_t)stored_size : 0;
  entry->size = stored;
  entry->is_sparse = false;
  reader->has_map = false;
  if (reader->header.type == 'S') {
    entry->is_sparse = reader->has_map = true;
    if (tar_read_gnu_map(reader, block, &entry->size, error) < 0)
      return -1;
  } else if (entry->type == TAR_FILE && reader->fields.is_sparse) {
    const struct tar_text *text = &texts[texts[TAR_SPARSE_REAL_SIZE].is_set ? TAR_SPARSE_REAL_SIZE : TAR_SPARSE_SIZE];
    int64_t size;
    if (!text->is_set || !tar_parse_decimal(text->data, text->size, &size))
      return fail(error, TREE_ARCHIVE, 0, "a number of a sparse file is malformed");
    entry->is_sparse = true;
    entry->size = (uint64_t)size;
  }
  reader->left = stored;
  reader->padding = padded(stored) - stored;
  return 0;
}

static int fill_entry(struct tar_reader *reader, const uint8_t block[TAR_BLOCK], struct error *error) {
  struct tar_fields *fields = &reader->fields;
  struct tar_entry *entry = &reader->entry;
  /* Only now, because a global header may still come between. */
  if (tar_copy_fields(fields, &reader->globals, error) < 0)
    return -1;
  for (size_t i = 0; i < reader->extension_count; i++) {
    if (apply_extension(fields, &reader->extensions[i], error) < 0)
      return -1;
  }
  drop_extensions(reader);
  entry->path = text_of(fields, TAR_SPARSE_NAME, text_of(fields, TAR_PATH, reader->header.name));
  entry->link = text_of(fields, TAR_LINK, reader->header.link);
  entry->xattrs = &fields->texts[TAR_XATTRS];
  const int64_t stored_size = number_of(fields, TAR_SIZE, reader->header.size);
  if (type_of(reader, stored_size, error) < 0 || check_path(reader, entry->path, error) < 0 ||
      check_path(reader, entry->link, error) < 0 || fill_numbers(reader, error) < 0)
    return -1;
  return fill_sizes(reader, block, stored_size, error);
}

int tar_next(struct tar_reader *reader, struct error *error) {
  uint8_t block[TAR_BLOCK];
  if (tar_skip(&reader->input, reader->left + reader->padding, error) < 0)
    return -1;
  reader->left = reader->padding = 0;
  int status = next_header(reader, block, error);
  if (status <= 0)
    return status;
  if (fill_entry(reader, block, error) < 0)
    return -1;
  if (reader->count++ == reader->limits.entries)
    return fail(error, TREE_LIMIT, 0, "it has more than %llu entries", (unsigned long long)reader->limits.entries);
  return 1;
}

int tar_take_stored(struct tar_reader *reader, void *data, size_t size, struct error *error) {
  int status = size > reader->left ? 0 : tar_take(&reader->input, data, size, error);
  if (status <= 0)
    return status < 0 ? -1 : fail(error, TREE_ARCHIVE, 0, "the archive ends early");
  reader->left -= size;
  return 0;
}

int tar_write_stored(struct tar_reader *reader, int fd, uint64_t size, const char *path, struct error *error) {
  struct tar_input *input = &reader->input;
  while (size > 0) {
    int status = tar_fill(input, error);
    if (status <= 0)
      return status < 0 ? -1 : fail(error, TREE_ARCHIVE, 0, "the archive ends within a file");
    size_t part = input->ready < size ? input->ready : (size_t)size;
    if (write_all(fd, input->buffer + input->start, part) < 0)
      return fail(error, TREE_WRITE, errno, "%s", path);
    input->start += part;
    input->ready -= part;
    reader->left -= part;
    size -= part;
  }
  return 0;
}

int tar_content(struct tar_reader *reader, int fd, const char *path, struct error *error) {
  if (!reader->entry.is_sparse)
    return tar_write_stored(reader, fd, reader->left, path, error);
  if (!reader->has_map && tar_read_pax_map(reader, error) < 0)
    return -1;
  return tar_expand(reader, fd, path, error);
}
