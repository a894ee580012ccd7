#include <string.h>

#include "tar.h"
#include "tree.h"

static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\0'; }

/* A sign bit, then a number in two's complement with the most significant byte first. */
static int parse_base256(const uint8_t *field, size_t size, int64_t *value, struct error *error) {
  const bool negative = (field[0] & 0x40) != 0;
  /* With all bits of the first byte but the mark. */
  int64_t result = (field[0] & 0x3f) - (negative ? 0x40 : 0);
  for (size_t i = 1; i < size; i++) {
    if (result > TAR_NUMBER_MAX >> 8 || result < -(TAR_NUMBER_MAX >> 8) - 1)
      return fail(error, TREE_ARCHIVE, 0, "a number in a header is too large");
    result = result * 256 + field[i];
  }
  if (result > TAR_NUMBER_MAX || result < -TAR_NUMBER_MAX)
    return fail(error, TREE_ARCHIVE, 0, "a number in a header is too large");
  *value = result;
  return 0;
}

int tar_parse_number(const uint8_t *field, size_t size, int64_t *value, struct error *error) {
  if ((field[0] & 0x80) != 0)
    return parse_base256(field, size, value, error);
  const uint8_t *at = field, *end = field + size;
  while (at < end && is_blank(*at))
    at++;
  while (end > at && is_blank(end[-1]))
    end--;
  *value = 0;
  /* A zero byte within the field ends the digits. */
  for (; at < end && *at != '\0'; at++) {
    if (*at < '0' || *at > '7')
      return fail(error, TREE_ARCHIVE, 0, "a number in a header is malformed");
    *value = *value * 8 + (*at - '0');
  }
  return 0;
}

/* Some old programs summed signed bytes; both sums are accepted, as by every reader. */
static int verify_checksum(const uint8_t block[TAR_BLOCK], struct error *error) {
  int64_t wanted;
  if (tar_parse_number(block + 148, 8, &wanted, error) < 0)
    return -1;
  int64_t sum = 8 * ' ', high = 0;
  for (size_t i = 0; i < TAR_BLOCK; i++) {
    if (i >= 148 && i < 156)
      continue;
    sum += block[i];
    high += block[i] >= 0x80;
  }
  if (wanted != sum && wanted != sum - 256 * high)
    return fail(error, TREE_ARCHIVE, 0, "the checksum of a header is wrong");
  return 0;
}

static size_t copy_text(char *text, const uint8_t *field, size_t size) {
  size_t length = strnlen((const char *)field, size);
  memcpy(text, field, length);
  text[length] = '\0';
  return length;
}

/* star keeps times in the last part of the prefix and says so at the end of the block. */
static void copy_name(struct tar_header *header, const uint8_t block[TAR_BLOCK], bool has_prefix) {
  size_t length = 0;
  if (has_prefix && block[345] != '\0') {
    length = copy_text(header->name, block + 345, memcmp(block + 508, "tar", 4) == 0 ? 131 : 155);
    header->name[length++] = '/';
  }
  copy_text(header->name + length, block, 100);
}

int tar_parse_header(const uint8_t block[TAR_BLOCK], struct tar_header *header, struct error *error) {
  if (verify_checksum(block, error) < 0)
    return -1;
  const bool is_ustar = memcmp(block + 257, "ustar", 6) == 0;
  header->is_gnu = memcmp(block + 257, "ustar  ", 8) == 0;
  header->type = block[156] == '\0' ? '0' : (char)block[156];
  header->major = header->minor = 0;
  copy_name(header, block, is_ustar);
  copy_text(header->link, block + 157, 100);
  const struct {
    size_t at;
    size_t size;
    int64_t *value;
  } numbers[] = {{100, 8, &header->mode},   {108, 8, &header->uid},   {116, 8, &header->gid},  {124, 12, &header->size},
                 {136, 12, &header->mtime}, {329, 8, &header->major}, {337, 8, &header->minor}};
  const size_t count = is_ustar || header->is_gnu ? 7 : 5;
  for (size_t i = 0; i < count; i++) {
    if (tar_parse_number(block + numbers[i].at, numbers[i].size, numbers[i].value, error) < 0)
      return -1;
  }
  return header->size < 0 ? fail(error, TREE_ARCHIVE, 0, "an entry has a negative size") : 0;
}
