/* The attribute that says what an entry is meant to be (wanted.c), which a container can write too: written anew it reads the same. */
#include "wanted.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct wanted wanted, again;
  char text[WANTED_TEXT_MAX];
  uint8_t *copy = exact_copy(data, size);
  if (wanted_parse((const char *)copy, size, &wanted)) {
    EXPECT(wanted.type == 0 || S_ISCHR(wanted.type) || S_ISBLK(wanted.type), "type %o", wanted.type);
    size_t length = wanted_format(&wanted, text, sizeof text);
    EXPECT(length < sizeof text && wanted_parse(text, length, &again), "%s", text);
    EXPECT(again.uid == wanted.uid && again.gid == wanted.gid && again.type == wanted.type && again.device == wanted.device, "%s", text);
    struct stat stat = {.st_mode = S_IFREG | 0644};
    wanted_apply(&wanted, &stat);
    EXPECT((stat.st_mode & 07777) == 0644 && (S_ISREG(stat.st_mode) || stat.st_rdev != 0), "a whiteout of %s", text);
  }
  free(copy);
  return 0;
}
