#include "json_write.h"

void json_write_string(FILE *out, const char *text) {
  putc_unlocked('"', out);
  for (; *text != '\0'; text++) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\')
      fprintf(out, "\\%c", c);
    else if (c < 0x20 || c == 0x7f)
      fprintf(out, "\\u%04x", c);
    else
      putc_unlocked(c, out);
  }
  putc_unlocked('"', out);
}

static void write_items(FILE *out, const struct json *value, const char *brackets) {
  putc_unlocked(brackets[0], out);
  for (const struct json *item = value->first; item != NULL; item = item->next) {
    if (item != value->first)
      putc_unlocked(',', out);
    if (item->name != NULL) {
      json_write_string(out, item->name);
      putc_unlocked(':', out);
    }
    json_write(out, item);
  }
  putc_unlocked(brackets[1], out);
}

void json_write(FILE *out, const struct json *value) {
  switch (value->kind) {
  case JSON_NULL:
    fputs("null", out);
    return;
  case JSON_FALSE:
    fputs("false", out);
    return;
  case JSON_TRUE:
    fputs("true", out);
    return;
  case JSON_NUMBER:
    fputs(value->text, out);
    return;
  case JSON_STRING:
    json_write_string(out, value->text);
    return;
  case JSON_ARRAY:
    write_items(out, value, "[]");
    return;
  case JSON_OBJECT:
    write_items(out, value, "{}");
    return;
  }
}
