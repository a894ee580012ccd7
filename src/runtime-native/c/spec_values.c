#include "spec_values.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "stage.h"

int spec_reject(struct parser *parser, const char *why) {
  const struct record *record = parser->record;
  const int shown = record->key_size < 64 ? (int)record->key_size : 64;
  return fail(parser->error, STAGE_SPEC, 0, "%.*s: %s", shown, record->key, why);
}

int spec_read_string(struct parser *parser, const char **out) {
  if (memchr(parser->record->value, '\0', parser->record->value_size) != NULL)
    return spec_reject(parser, "contains a NUL");
  *out = parser->record->value;
  return 0;
}

int spec_read_path(struct parser *parser, const char **out) {
  if (spec_read_string(parser, out) < 0)
    return -1;
  if ((*out)[0] != '/')
    return spec_reject(parser, "is not an absolute path");
  if (parser->record->value_size >= SPEC_PATH_MAX)
    return spec_reject(parser, "is too long");
  return 0;
}

int spec_read_bool(struct parser *parser, bool *out) {
  const struct record *record = parser->record;
  if (record->value_size != 1 || (record->value[0] != '0' && record->value[0] != '1'))
    return spec_reject(parser, "is neither 0 nor 1");
  *out = record->value[0] == '1';
  return 0;
}

int spec_read_word(struct parser *parser, const char *const *words, size_t count, unsigned *out) {
  const char *value = NULL;
  if (spec_read_string(parser, &value) < 0)
    return -1;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(value, words[i]) != 0)
      continue;
    *out = (unsigned)i;
    return 0;
  }
  return spec_reject(parser, "is not one of the known words");
}

int spec_read_choice(struct parser *parser, const char *no, const char *yes, bool *out) {
  const char *const words[] = {no, yes};
  unsigned choice = 0;
  if (spec_read_word(parser, words, 2, &choice) < 0)
    return -1;
  *out = choice == 1;
  return 0;
}

int spec_read_number(struct parser *parser, uint64_t limit, uint64_t *out) {
  const struct record *record = parser->record;
  if (record->value_size == 0 || record->value_size > 20)
    return spec_reject(parser, "is not a number");
  uint64_t number = 0;
  for (size_t i = 0; i < record->value_size; i++) {
    unsigned digit = (unsigned char)record->value[i] - (unsigned)'0';
    if (digit > 9)
      return spec_reject(parser, "is not a number");
    if (number > (UINT64_MAX - digit) / 10)
      return spec_reject(parser, "is too large");
    number = number * 10 + digit;
  }
  if (number > limit)
    return spec_reject(parser, "is too large");
  *out = number;
  return 0;
}

int spec_read_signed(struct parser *parser, int lowest, int highest, int *out) {
  const struct record *whole = parser->record;
  const bool negative = whole->value_size > 0 && whole->value[0] == '-';
  const struct record digits = {whole->key, whole->key_size, whole->value + negative, whole->value_size - negative};
  uint64_t number = 0;
  parser->record = &digits;
  const int result = spec_read_number(parser, INT32_MAX, &number);
  parser->record = whole;
  if (result < 0)
    return -1;
  *out = negative ? -(int)number : (int)number;
  return *out < lowest || *out > highest ? spec_reject(parser, "is out of range") : 0;
}

int spec_read_limit(struct parser *parser, uint64_t *out) {
  if (strcmp(parser->record->value, "unlimited") == 0) {
    *out = RLIM_INFINITY;
    return 0;
  }
  return spec_read_number(parser, RLIM_INFINITY - 1, out);
}

int spec_append(struct parser *parser, struct string_list *list, size_t limit) {
  const char *value = NULL;
  if (spec_read_string(parser, &value) < 0)
    return -1;
  if (list->count >= limit || ++parser->strings > SPEC_STRINGS_MAX)
    return spec_reject(parser, "appears too often");
  /* Room for the NULL at the end too. */
  if (list->count + 2 > list->capacity) {
    size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
    const char **grown = realloc(list->items, capacity * sizeof *grown);
    if (grown == NULL)
      return spec_reject(parser, "does not fit into memory");
    list->items = grown;
    list->capacity = capacity;
  }
  list->items[list->count++] = parser->record->value;
  list->items[list->count] = NULL;
  return 0;
}

int spec_append_path(struct parser *parser, struct string_list *list, size_t limit) {
  const char *path;
  return spec_read_path(parser, &path) < 0 ? -1 : spec_append(parser, list, limit);
}

int spec_read_id(struct parser *parser, const char **out) {
  if (spec_read_string(parser, out) < 0)
    return -1;
  size_t size = parser->record->value_size;
  if (size == 0 || size > 128)
    return spec_reject(parser, "has a wrong length");
  if (strspn(*out, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != size || strchr("_.-", (*out)[0]) != NULL)
    return spec_reject(parser, "contains a character that is not allowed");
  return 0;
}
