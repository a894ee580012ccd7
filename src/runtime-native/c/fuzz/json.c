/* JSON (json.c): what was read and is written reads as the same again. */
#include "json.h"

#include "fuzz.h"
#include "json_write.h"

static char *written(const struct json *value, size_t *size) {
  char *text = NULL;
  FILE *out = must(open_memstream(&text, size));
  json_write(out, value);
  EXPECT(fclose(out) == 0, "memory");
  return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct json_document document = {.root = NULL}, again = {.root = NULL};
  char *text = text_copy(data, size);
  if (json_parse(&document, text, size) == 0) {
    size_t first_size, second_size;
    char *first = written(document.root, &first_size), *copy = text_copy((const uint8_t *)first, first_size);
    EXPECT(json_parse(&again, copy, first_size) == 0, "%s: %s", again.why, first);
    char *second = written(again.root, &second_size);
    EXPECT(first_size == second_size && memcmp(first, second, first_size) == 0, "%s became %s", first, second);
    json_free(&again);
    free(second);
    free(copy);
    free(first);
  } else {
    EXPECT(document.why != NULL && document.at <= size, "at %zu of %zu", document.at, size);
  }
  json_free(&document);
  free(text);
  return 0;
}
