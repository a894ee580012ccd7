/*
 * JSON (RFC 8259) as a tree, for the few files that this program reads itself. Strict, and bounded in size and depth: the
 * files come from whoever starts a container.
 */
#ifndef TSBUILD_JSON_H
#define TSBUILD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_SIZE_MAX (16u << 20)
#define JSON_DEPTH_MAX 64

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
  enum json_kind kind;
  /* Position in an array. */
  unsigned index;
  /* Of a member of an object, else NULL. */
  const char *name;
  /* What a string means, or how a number is written; terminated. */
  const char *text;
  size_t size;
  /* Of an array or object, in their order. */
  const struct json *first;
  const struct json *next;
  const struct json *parent;
};

struct json_document {
  const struct json *root;
  struct json_block *blocks;
  /* Why it is none, and where. */
  const char *why;
  size_t at;
};

/*
 * Reads `size` bytes, which a NUL follows; strings are decoded in place, so `text` must outlive the document. -1 with
 * `why`. Freed by json_free in either case.
 */
int json_parse(struct json_document *document, char *text, size_t size);
void json_free(struct json_document *document);

/* The member `name`, of several the last, as in other parsers; NULL when there is none, it is null, or this is no object. */
const struct json *json_get(const struct json *object, const char *name);

/* An integer without fraction and exponent; false when it is none or does not fit. */
bool json_integer(const struct json *value, int64_t *out);
bool json_unsigned(const struct json *value, uint64_t *out);

/* Writes the way to a value, `linux.namespaces[2].path`, cut where it does not fit. */
void json_path(const struct json *value, char *out, size_t size);

#endif
