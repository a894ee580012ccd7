#include "json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_VALUES 256

struct json_block {
  struct json_block *next;
  size_t used;
  struct json values[BLOCK_VALUES];
};

struct reader {
  struct json_document *document;
  char *text;
  char *at;
  char *end;
};

static int reject(struct reader *reader, const char *why) {
  if (reader->document->why == NULL) {
    reader->document->why = why;
    reader->document->at = (size_t)(reader->at - reader->text);
  }
  return -1;
}

static struct json *allocate(struct reader *reader) {
  struct json_block *block = reader->document->blocks;
  if (block == NULL || block->used == BLOCK_VALUES) {
    block = malloc(sizeof *block);
    if (block == NULL)
      return NULL;
    block->used = 0;
    block->next = reader->document->blocks;
    reader->document->blocks = block;
  }
  struct json *value = &block->values[block->used++];
  *value = (struct json){.kind = JSON_NULL};
  return value;
}

static void skip_space(struct reader *reader) {
  while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r')
    reader->at++;
}

static int read_hex(struct reader *reader, unsigned *out) {
  *out = 0;
  for (int i = 0; i < 4; i++) {
    const char c = *reader->at;
    unsigned digit;
    if (c >= '0' && c <= '9')
      digit = (unsigned)(c - '0');
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
      digit = (unsigned)((c | 0x20) - 'a') + 10;
    else
      return reject(reader, "a wrong escape");
    *out = *out << 4 | digit;
    reader->at++;
  }
  return 0;
}

static char *encode(char *to, unsigned point) {
  if (point < 0x80) {
    *to++ = (char)point;
    return to;
  }
  if (point < 0x800) {
    *to++ = (char)(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      *to++ = (char)(0xe0 | point >> 12);
    } else {
      *to++ = (char)(0xf0 | point >> 18);
      *to++ = (char)(0x80 | (point >> 12 & 0x3f));
    }
    *to++ = (char)(0x80 | (point >> 6 & 0x3f));
  }
  *to++ = (char)(0x80 | (point & 0x3f));
  return to;
}

/* Behind the backslash. No escape is shorter than what it means, so the text is decoded in its own place. */
static int read_escape(struct reader *reader, char **to) {
  static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  const char c = *reader->at;
  const char *found = c == '\0' ? NULL : strchr(names, c);
  if (found != NULL) {
    *(*to)++ = meanings[found - names];
    reader->at++;
    return 0;
  }
  if (c != 'u')
    return reject(reader, "a wrong escape");
  reader->at++;
  unsigned point, low;
  if (read_hex(reader, &point) < 0)
    return -1;
  if (point >= 0xd800 && point < 0xdc00) {
    if (reader->at[0] != '\\' || reader->at[1] != 'u')
      return reject(reader, "half a surrogate pair");
    reader->at += 2;
    if (read_hex(reader, &low) < 0)
      return -1;
    if (low < 0xdc00 || low > 0xdfff)
      return reject(reader, "half a surrogate pair");
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
  } else if (point >= 0xdc00 && point < 0xe000) {
    return reject(reader, "half a surrogate pair");
  } else if (point == 0) {
    return reject(reader, "a NUL in a string");
  }
  *to = encode(*to, point);
  return 0;
}

/* The length of the UTF-8 sequence at `at`, 0 for none: no overlong form, no surrogate. The NUL at the end stops it. */
static size_t utf8_length(const unsigned char *at) {
  static const struct {
    unsigned char first, last, second_low, second_high, length;
  } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
               {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
               {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    if (at[0] < forms[i].first || at[0] > forms[i].last)
      continue;
    if (at[1] < forms[i].second_low || at[1] > forms[i].second_high)
      return 0;
    for (size_t more = 2; more < forms[i].length; more++) {
      if ((at[more] & 0xc0) != 0x80)
        return 0;
    }
    return forms[i].length;
  }
  return 0;
}

static int read_string(struct reader *reader, const char **text, size_t *size) {
  if (*reader->at != '"')
    return reject(reader, "no string");
  char *to = ++reader->at;
  *text = to;
  for (;;) {
    const unsigned char c = (unsigned char)*reader->at;
    if (c == '"')
      break;
    if (c < 0x20)
      return reject(reader, reader->at == reader->end ? "an early end" : "a control character in a string");
    if (c == '\\') {
      reader->at++;
      if (read_escape(reader, &to) < 0)
        return -1;
      continue;
    }
    size_t length = c < 0x80 ? 1 : utf8_length((const unsigned char *)reader->at);
    if (length == 0)
      return reject(reader, "bytes that are no UTF-8");
    memmove(to, reader->at, length);
    to += length;
    reader->at += length;
  }
  reader->at++;
  *size = (size_t)(to - *text);
  *to = '\0';
  return 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool skip_digits(struct reader *reader) {
  if (!is_digit(*reader->at))
    return false;
  while (is_digit(*reader->at))
    reader->at++;
  return true;
}

/* Its text is terminated when the character behind it has been read, see `finish_number`. */
static int read_number(struct reader *reader, struct json *value) {
  value->kind = JSON_NUMBER;
  value->text = reader->at;
  if (*reader->at == '-')
    reader->at++;
  bool ok;
  if (*reader->at == '0') {
    reader->at++;
    ok = true;
  } else {
    ok = skip_digits(reader);
  }
  if (ok && *reader->at == '.') {
    reader->at++;
    ok = skip_digits(reader);
  }
  if (ok && (*reader->at | 0x20) == 'e') {
    reader->at++;
    if (*reader->at == '+' || *reader->at == '-')
      reader->at++;
    ok = skip_digits(reader);
  }
  if (!ok)
    return reject(reader, "a wrong number");
  value->size = (size_t)(reader->at - value->text);
  return 0;
}

static int read_word(struct reader *reader, struct json *value, const char *word, enum json_kind kind) {
  size_t length = strlen(word);
  if (strncmp(reader->at, word, length) != 0)
    return reject(reader, "no value");
  reader->at += length;
  value->kind = kind;
  return 0;
}

static int read_value(struct reader *reader, struct json *value, unsigned depth);

/* An array or an object: what is between its brackets. */
static int read_items(struct reader *reader, struct json *value, bool named, unsigned depth) {
  const char close = named ? '}' : ']';
  if (depth >= JSON_DEPTH_MAX)
    return reject(reader, "too many levels");
  value->kind = named ? JSON_OBJECT : JSON_ARRAY;
  const struct json **link = &value->first;
  reader->at++;
  skip_space(reader);
  if (*reader->at == close) {
    reader->at++;
    return 0;
  }
  for (unsigned index = 0;; index++) {
    struct json *item = allocate(reader);
    if (item == NULL)
      return reject(reader, "too much for the memory");
    item->parent = value;
    item->index = index;
    size_t size;
    if (named) {
      if (read_string(reader, &item->name, &size) < 0)
        return -1;
      skip_space(reader);
      if (*reader->at != ':')
        return reject(reader, "a name without a value");
      reader->at++;
      skip_space(reader);
    }
    if (read_value(reader, item, depth + 1) < 0)
      return -1;
    *link = item;
    link = &item->next;
    skip_space(reader);
    const char c = *reader->at;
    if (c != ',' && c != close)
      return reject(reader, reader->at == reader->end ? "an early end" : "a missing comma");
    /* Now that it has been looked at, the character behind a number may become its end. */
    if (item->kind == JSON_NUMBER)
      ((char *)(uintptr_t)item->text)[item->size] = '\0';
    reader->at++;
    if (c == close)
      return 0;
    skip_space(reader);
  }
}

static int read_value(struct reader *reader, struct json *value, unsigned depth) {
  switch (*reader->at) {
  case '{':
    return read_items(reader, value, true, depth);
  case '[':
    return read_items(reader, value, false, depth);
  case '"':
    value->kind = JSON_STRING;
    return read_string(reader, &value->text, &value->size);
  case 't':
    return read_word(reader, value, "true", JSON_TRUE);
  case 'f':
    return read_word(reader, value, "false", JSON_FALSE);
  case 'n':
    return read_word(reader, value, "null", JSON_NULL);
  default:
    return read_number(reader, value);
  }
}

int json_parse(struct json_document *document, char *text, size_t size) {
  *document = (struct json_document){0};
  struct reader reader = {.document = document, .text = text, .at = text, .end = text + size};
  if (size > JSON_SIZE_MAX)
    return reject(&reader, "too many bytes");
  struct json *root = allocate(&reader);
  if (root == NULL)
    return reject(&reader, "too much for the memory");
  skip_space(&reader);
  if (read_value(&reader, root, 0) < 0)
    return -1;
  skip_space(&reader);
  if (reader.at != reader.end)
    return reject(&reader, "something behind its end");
  if (root->kind == JSON_NUMBER)
    ((char *)(uintptr_t)root->text)[root->size] = '\0';
  document->root = root;
  return 0;
}

void json_free(struct json_document *document) {
  while (document->blocks != NULL) {
    struct json_block *next = document->blocks->next;
    free(document->blocks);
    document->blocks = next;
  }
  document->root = NULL;
}

const struct json *json_get(const struct json *object, const char *name) {
  const struct json *found = NULL;
  if (object == NULL || object->kind != JSON_OBJECT)
    return NULL;
  for (const struct json *member = object->first; member != NULL; member = member->next) {
    if (strcmp(member->name, name) == 0)
      found = member;
  }
  return found == NULL || found->kind == JSON_NULL ? NULL : found;
}

static bool is_whole(const struct json *value) {
  return value->kind == JSON_NUMBER && strpbrk(value->text, ".eE") == NULL;
}

bool json_integer(const struct json *value, int64_t *out) {
  if (!is_whole(value))
    return false;
  errno = 0;
  *out = strtoll(value->text, NULL, 10);
  return errno == 0;
}

bool json_unsigned(const struct json *value, uint64_t *out) {
  if (!is_whole(value) || value->text[0] == '-')
    return false;
  errno = 0;
  *out = strtoull(value->text, NULL, 10);
  return errno == 0;
}

void json_path(const struct json *value, char *out, size_t size) {
  const struct json *way[JSON_DEPTH_MAX + 1];
  size_t depth = 0, used = 0;
  for (; value->parent != NULL; value = value->parent)
    way[depth++] = value;
  out[0] = '\0';
  while (depth > 0 && used < size) {
    const struct json *step = way[--depth];
    int written = step->name == NULL ? snprintf(out + used, size - used, "[%u]", step->index)
                                     : snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ".", step->name);
    used += written < 0 ? 0 : (size_t)written;
  }
}
