#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "pack.h"
#include "tree.h"

#define BUFFER_SIZE (256u << 10)
/* What fits the fields of ustar. */
#define OCTAL_7_MAX 07777777u
#define OCTAL_11_MAX 077777777777ull
#define NAME_SIZE 100

struct ustar {
  char name[NAME_SIZE];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link[NAME_SIZE];
  char magic[6];
  char version[2];
  char user[32];
  char group[32];
  char major[8];
  char minor[8];
  char prefix[155];
  char pad[12];
};
_Static_assert(sizeof(struct ustar) == PACK_BLOCK, "ustar header");

int pack_flush(struct pack_output *output, struct error *error) {
  uint32_t size = (uint32_t)output->used;
  if (size == 0)
    return 0;
  output->used = 0;
  if (output->hash != NULL) {
    sha256_update(output->hash, output->buffer, size);
    return 0;
  }
  if (write_all(output->fd, &size, sizeof size) < 0 || write_all(output->fd, output->buffer, size) < 0)
    return fail(error, TREE_WRITE, errno, "stdout");
  return 0;
}

int pack_send_digest(struct pack_output *output, struct error *error) {
  if (pack_flush(output, error) < 0)
    return -1;
  struct __attribute__((packed)) {
    uint32_t frame_size;
    uint8_t digest[SHA256_SIZE];
    uint64_t size;
  } frame = {.frame_size = sizeof frame - sizeof frame.frame_size};
  frame.size = output->hash->size;
  sha256_final(output->hash, frame.digest);
  return write_all(output->fd, &frame, sizeof frame) < 0 ? fail(error, TREE_WRITE, errno, "stdout") : 0;
}

int pack_end(struct pack_output *output, int status, struct error *error) {
  if (status == 0)
    status = pack_flush(output, error);
  const uint32_t last = status < 0 ? PACK_FAILED : 0;
  if (write_all(output->fd, &last, sizeof last) < 0)
    return 1;
  if (status < 0)
    tree_report(output->fd, error);
  return 0;
}

/* Room in the buffer: at least one byte. */
static int room(struct pack_output *output, size_t *size, struct error *error) {
  if (output->buffer == NULL && (output->buffer = malloc(BUFFER_SIZE)) == NULL)
    return fail(error, TREE_WRITE, ENOMEM, "stdout");
  if (output->used == BUFFER_SIZE && pack_flush(output, error) < 0)
    return -1;
  *size = BUFFER_SIZE - output->used;
  return 0;
}

int pack_write(struct pack_output *output, const void *data, size_t size, struct error *error) {
  const uint8_t *at = data;
  while (size > 0) {
    size_t part = 0;
    if (room(output, &part, error) < 0)
      return -1;
    if (part > size)
      part = size;
    memcpy(output->buffer + output->used, at, part);
    output->used += part;
    at += part;
    size -= part;
  }
  return 0;
}

int pack_pad(struct pack_output *output, uint64_t size, struct error *error) {
  static const uint8_t zeroes[PACK_BLOCK];
  return pack_write(output, zeroes, (size_t)(-size & (PACK_BLOCK - 1)), error);
}

int pack_content(struct pack_output *output, int fd, uint64_t size, const char *path, struct error *error) {
  uint64_t left = size;
  for (;;) {
    size_t part = 0;
    if (room(output, &part, error) < 0)
      return -1;
    /* One more byte is asked for, so that a file that grew shows. */
    if (left < part)
      part = (size_t)left + 1;
    ssize_t got = read(fd, output->buffer + output->used, part);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail(error, TREE_READ, errno, "%s", path);
    if (got == 0 && left == 0)
      break;
    if (got == 0 || (uint64_t)got > left)
      return fail(error, TREE_CHANGED, 0, "%s", path);
    output->used += (size_t)got;
    left -= (uint64_t)got;
  }
  return pack_pad(output, size, error);
}

/* ---- PAX records ---- */

struct pax {
  uint8_t *data;
  size_t used;
  size_t capacity;
};

static int pax_reserve(struct pax *pax, size_t size) {
  if (pax->capacity - pax->used >= size)
    return 0;
  size_t capacity = (pax->used + size) * 2;
  uint8_t *grown = realloc(pax->data, capacity);
  if (grown == NULL)
    return -1;
  pax->data = grown;
  pax->capacity = capacity;
  return 0;
}

/* `<length> <key>=<value>\n`, where the length counts its own digits. */
static int pax_add(struct pax *pax, const char *key, const void *value, size_t size) {
  size_t rest = 1 + strlen(key) + 1 + size + 1, total = rest;
  for (size_t previous = 0; previous != total;) {
    previous = total;
    total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
  }
  if (pax_reserve(pax, total + 1) < 0)
    return -1;
  int head = sprintf((char *)pax->data + pax->used, "%zu %s=", total, key);
  memcpy(pax->data + pax->used + head, value, size);
  pax->used += total;
  pax->data[pax->used - 1] = '\n';
  return 0;
}

static int pax_add_number(struct pax *pax, const char *key, int64_t value) {
  char text[32];
  int size = snprintf(text, sizeof text, "%" PRId64, value);
  return pax_add(pax, key, text, (size_t)size);
}

static bool needs_pax(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if ((unsigned char)text[i] >= 0x80)
      return true;
  }
  return size > NAME_SIZE;
}

/* In byte order of the keys. */
static int pax_build(struct pax *pax, const struct pack_header *header) {
  if (header->capability != NULL &&
      pax_add(pax, "SCHILY.xattr.security.capability", header->capability, header->capability_size) < 0)
    return -1;
  if (header->gid > OCTAL_7_MAX && pax_add_number(pax, "gid", header->gid) < 0)
    return -1;
  if (needs_pax(header->link, header->link_size) && pax_add(pax, "linkpath", header->link, header->link_size) < 0)
    return -1;
  if ((header->mtime < 0 || (uint64_t)header->mtime > OCTAL_11_MAX) && pax_add_number(pax, "mtime", header->mtime) < 0)
    return -1;
  if (needs_pax(header->path, header->path_size) && pax_add(pax, "path", header->path, header->path_size) < 0)
    return -1;
  if (header->size > OCTAL_11_MAX && pax_add_number(pax, "size", (int64_t)header->size) < 0)
    return -1;
  if (header->uid > OCTAL_7_MAX && pax_add_number(pax, "uid", header->uid) < 0)
    return -1;
  return 0;
}

/* ---- ustar ---- */

/* Digits up to the last byte, which stays zero; what does not fit is 0 and stands in a PAX record. */
static void octal(char *field, size_t size, uint64_t value) {
  if (value >> (3 * (size - 1)) != 0)
    value = 0;
  for (size_t i = size - 1; i-- > 0; value >>= 3)
    field[i] = (char)('0' + (value & 7));
}

/* A name as far as it fits, with a substitute for what is not ASCII, for readers that don't know PAX. */
static void ascii(char *field, const char *text, size_t size) {
  for (size_t i = 0; i < size && i < NAME_SIZE; i++)
    field[i] = (unsigned char)text[i] < 0x80 ? text[i] : '_';
}

static int write_ustar(struct pack_output *output, const struct pack_header *header, struct error *error) {
  struct ustar block = {.type = header->type, .magic = "ustar", .version = {'0', '0'}};
  ascii(block.name, header->path, header->path_size);
  ascii(block.link, header->link, header->link_size);
  octal(block.mode, sizeof block.mode, header->mode & 07777);
  octal(block.uid, sizeof block.uid, header->uid);
  octal(block.gid, sizeof block.gid, header->gid);
  octal(block.size, sizeof block.size, header->size);
  octal(block.mtime, sizeof block.mtime, header->mtime < 0 ? 0 : (uint64_t)header->mtime);
  octal(block.major, sizeof block.major, header->major);
  octal(block.minor, sizeof block.minor, header->minor);
  memset(block.checksum, ' ', sizeof block.checksum);
  unsigned sum = 0;
  for (size_t i = 0; i < sizeof block; i++)
    sum += ((const unsigned char *)&block)[i];
  octal(block.checksum, 7, sum);
  block.checksum[6] = '\0';
  return pack_write(output, &block, sizeof block, error);
}

int pack_header(struct pack_output *output, const struct pack_header *header, struct error *error) {
  struct pax pax = {.data = NULL};
  int status = pax_build(&pax, header) < 0 ? fail(error, TREE_WRITE, ENOMEM, "%s", header->path) : 0;
  if (status == 0 && pax.used > 0) {
    static const char name[] = "PaxHeaders.0";
    struct pack_header extended = {.path = name, .path_size = sizeof name - 1, .type = 'x', .size = pax.used};
    status = write_ustar(output, &extended, error);
    if (status == 0)
      status = pack_write(output, pax.data, pax.used, error);
    if (status == 0)
      status = pack_pad(output, pax.used, error);
  }
  free(pax.data);
  return status < 0 ? -1 : write_ustar(output, header, error);
}
