#include "oci_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

int oci_reject(struct error *error, const struct json *value, const char *format, ...) {
  char path[512], why[400];
  va_list arguments;
  json_path(value, path, sizeof path);
  va_start(arguments, format);
  vsnprintf(why, sizeof why, format, arguments);
  va_end(arguments);
  return fail(error, STAGE_SPEC, 0, "%s%s%s", path, path[0] == '\0' ? "" : ": ", why);
}

int oci_missing(struct error *error, const struct json *object, const char *name) {
  char path[512];
  json_path(object, path, sizeof path);
  return fail(error, STAGE_SPEC, 0, "%s%s%s: is missing", path, path[0] == '\0' ? "" : ".", name);
}

static int get_kind(const struct json *object, const char *name, enum json_kind kind, const char *what,
                    const struct json **out, struct error *error) {
  *out = json_get(object, name);
  return *out != NULL && (*out)->kind != kind ? oci_reject(error, *out, "is not %s", what) : 0;
}

int oci_object(const struct json *object, const char *name, const struct json **out, struct error *error) {
  return get_kind(object, name, JSON_OBJECT, "an object", out, error);
}

int oci_array(const struct json *object, const char *name, const struct json **out, struct error *error) {
  return get_kind(object, name, JSON_ARRAY, "an array", out, error);
}

int oci_string(const struct json *object, const char *name, const char **out, struct error *error) {
  const struct json *value;
  if (get_kind(object, name, JSON_STRING, "a string", &value, error) < 0)
    return -1;
  if (value != NULL)
    *out = value->text;
  return 0;
}

int oci_absolute(const struct json *object, const char *name, const char **out, struct error *error) {
  const char *text = NULL;
  if (oci_string(object, name, &text, error) < 0)
    return -1;
  if (text == NULL)
    return 0;
  if (text[0] != '/' || strlen(text) >= SPEC_PATH_MAX)
    return oci_reject(error, json_get(object, name), "is not an absolute path");
  *out = text;
  return 0;
}

int oci_bool(const struct json *object, const char *name, bool *out, struct error *error) {
  const struct json *value = json_get(object, name);
  if (value == NULL)
    return 0;
  if (value->kind != JSON_TRUE && value->kind != JSON_FALSE)
    return oci_reject(error, value, "is neither true nor false");
  *out = value->kind == JSON_TRUE;
  return 0;
}

int oci_number(const struct json *object, const char *name, int64_t lowest, int64_t highest, int64_t *out,
               struct error *error) {
  const struct json *value = json_get(object, name);
  int64_t number;
  if (value == NULL)
    return 0;
  if (!json_integer(value, &number) || number < lowest || number > highest)
    return oci_reject(error, value, "is not an integer from %lld to %lld", (long long)lowest, (long long)highest);
  *out = number;
  return 0;
}

int oci_id(const struct json *object, const char *name, uint32_t *out, struct error *error) {
  int64_t number = *out;
  if (oci_number(object, name, 0, UINT32_MAX, &number, error) < 0)
    return -1;
  *out = (uint32_t)number;
  return 0;
}

const char *oci_item(const struct json *item, struct error *error) {
  if (item->kind == JSON_STRING)
    return item->text;
  oci_reject(error, item, "is not a string");
  return NULL;
}

int oci_strings(const struct json *object, const char *name, struct string_list *out, struct error *error) {
  const struct json *array;
  size_t count = 0;
  if (oci_array(object, name, &array, error) < 0)
    return -1;
  if (array == NULL)
    return 0;
  for (const struct json *item = array->first; item != NULL; item = item->next)
    count++;
  if (count > SPEC_STRINGS_MAX)
    return oci_reject(error, array, "has more than %d items", SPEC_STRINGS_MAX);
  out->items = malloc((count + 1) * sizeof *out->items);
  if (out->items == NULL)
    return oci_reject(error, array, "does not fit into memory");
  for (const struct json *item = array->first; item != NULL; item = item->next) {
    if ((out->items[out->count] = oci_item(item, error)) == NULL)
      return -1;
    out->count++;
  }
  out->items[out->count] = NULL;
  return 0;
}

static bool asks_for_nothing(const struct json *value) {
  switch (value->kind) {
  case JSON_NULL:
  case JSON_FALSE:
    return true;
  case JSON_STRING:
    return value->size == 0;
  case JSON_ARRAY:
  case JSON_OBJECT:
    return value->first == NULL;
  case JSON_TRUE:
  case JSON_NUMBER:
    return false;
  }
  return false;
}

int oci_unsupported(const struct json *object, const char *const *names, size_t count, struct error *error) {
  for (size_t i = 0; i < count; i++) {
    const struct json *value = json_get(object, names[i]);
    if (value != NULL && !asks_for_nothing(value))
      return oci_reject(error, value, "is not supported");
  }
  return 0;
}
