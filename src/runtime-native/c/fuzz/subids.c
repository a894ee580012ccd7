/* /etc/passwd and /etc/subuid (subids.c): no range that root or the last id is in. */
#include "subids.h"

#include "fuzz.h"

static FILE *file_of(const char *text) {
  FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
  return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *passwd, *subids, name[33] = "";
  two_texts(data, size, &passwd, &subids);
  /* fmemopen(3) of nothing is refused by some C libraries. */
  FILE *first = passwd[0] == '\0' ? NULL : file_of(passwd), *second = subids[0] == '\0' ? NULL : file_of(subids);
  if (first != NULL && subids_name(first, 1000, name, sizeof name))
    EXPECT(name[0] != '\0' && strchr(name, ':') == NULL && strchr(name, '\n') == NULL, "name '%s'", name);
  static struct subid_range ranges[SUBIDS_MAX];
  size_t count = second == NULL ? 0 : subids_read(second, 1000, name, ranges);
  EXPECT(count <= SUBIDS_MAX, "%zu", count);
  for (size_t i = 0; i < count; i++)
    EXPECT(ranges[i].start > 0 && ranges[i].count > 0 && ranges[i].start + ranges[i].count < UINT_MAX, "range %zu", i);
  if (first != NULL)
    fclose(first);
  if (second != NULL)
    fclose(second);
  free(passwd);
  free(subids);
  return 0;
}
