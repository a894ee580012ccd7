/* Reads subuid files, the attribute of what is wanted and capabilities of files, also malformed ones. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../capability.h"
#include "../subids.h"
#include "../wanted.h"

static size_t read_ranges(const char *text, struct subid_range ranges[SUBIDS_MAX]) {
  FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
  assert(file != NULL);
  size_t count = subids_read(file, 1001, "builder", ranges);
  fclose(file);
  return count;
}

static void check_subids(void) {
  static struct subid_range ranges[SUBIDS_MAX];
  assert(read_ranges("other:1:2\nbuilder:100000:65536\n1001:300000:10\n", ranges) == 2);
  assert(ranges[0].start == 100000 && ranges[0].count == 65536);
  assert(ranges[1].start == 300000 && ranges[1].count == 10);
  /* Root's own id, nothing at all, more than there are, and what is no number. */
  assert(read_ranges("builder:0:5\nbuilder:5:0\nbuilder:1:4294967295\nbuilder:-1:5\nbuilder:1\nbuilder\n\n:1:1\n", ranges) == 0);
  char many[SUBIDS_MAX * 40];
  size_t used = 0;
  for (int i = 0; i < SUBIDS_MAX + 20; i++)
    used += (size_t)sprintf(many + used, "builder:%d:1\n", 1000 + i);
  assert(read_ranges(many, ranges) == SUBIDS_MAX);

  char name[8];
  const char passwd[] = "root:x:0:0::/:\nlongername:x:1001:1::/:\nb:x:1001:1::/:\nbad:x:1001\n";
  FILE *file = fmemopen((void *)(uintptr_t)passwd, sizeof passwd - 1, "r");
  assert(file != NULL && subids_name(file, 1001, name, sizeof name) && strcmp(name, "b") == 0);
  rewind(file);
  assert(!subids_name(file, 7, name, sizeof name));
  fclose(file);
}

static void check_wanted(void) {
  static const struct wanted cases[] = {
      {0, 0, 100000, 0}, {0, 4294967294u, 1, 0}, {S_IFCHR, 0, 0, 0x103}, {S_IFBLK, 5, 6, 0x801}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[WANTED_TEXT_MAX];
    struct wanted read;
    size_t size = wanted_format(&cases[i], text, sizeof text);
    assert(wanted_parse(text, size, &read));
    assert(read.type == cases[i].type && read.uid == cases[i].uid && read.gid == cases[i].gid);
    assert(read.device == cases[i].device);
    /* Every shorter one, and every one with a byte more, is another value or none. */
    for (size_t shorter = 0; shorter < size; shorter++)
      assert(!wanted_parse(text, shorter, &read) || read.uid != cases[i].uid || read.gid != cases[i].gid ||
             read.device != cases[i].device || read.type != cases[i].type);
    text[size] = 'x';
    assert(!wanted_parse(text, size + 1, &read));
  }
  static const char *const wrong[] = {"", ":", "1", "1:", "a:b", "1:2:", "1:2:d:1:1", "1:2:c:1", "1:2:c:1:1:1"};
  struct wanted read;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert(!wanted_parse(wrong[i], strlen(wrong[i]), &read));
  assert(!wanted_parse("1:2\0", 4, &read));
}

/* What was changed since counts: an owner, a type, content in the place of a device. */
static void check_apply(void) {
  const struct wanted wanted = {S_IFCHR, 1000, 1001, 0x103};
  struct stat stat = {.st_mode = S_IFREG | 0640};
  assert(wanted_apply(&wanted, &stat));
  assert(stat.st_uid == 1000 && stat.st_gid == 1001 && stat.st_mode == (S_IFCHR | 0640) && stat.st_rdev == 0x103);
  stat = (struct stat){.st_mode = S_IFREG, .st_uid = 5, .st_gid = 6, .st_size = 1};
  assert(!wanted_apply(&wanted, &stat) && stat.st_uid == 5 && S_ISREG(stat.st_mode));
  stat = (struct stat){.st_mode = S_IFDIR};
  assert(wanted_apply(&wanted, &stat) && S_ISDIR(stat.st_mode));
  const struct wanted whiteout = {S_IFCHR, 0, 0, 0};
  stat = (struct stat){.st_mode = S_IFREG};
  assert(!wanted_apply(&whiteout, &stat) && S_ISREG(stat.st_mode));
}

static void check_capability(void) {
  /* Revision 3 with the effective bit, CAP_NET_RAW, of root 1000. Not aligned. */
  static const char of_root[] = "x\1\0\0\3\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe8\3\0\0";
  static const char plain[] = "\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0";
  char value[26];
  memcpy(value, of_root, 25);
  assert(capability_to_plain(value + 1, 24) == 20 && memcmp(value + 1, plain, 20) == 0);
  assert(capability_to_plain(value + 1, 20) == 20 && memcmp(value + 1, plain, 20) == 0);
  /* Neither of version 3: its number in fewer or more bytes, and another number in as many. */
  for (size_t size = 0; size <= 25; size++) {
    memcpy(value, of_root, 25);
    value[4] = size == 24 ? 2 : 3;
    assert(capability_to_plain(value + 1, size) == size && memcmp(value + 5, of_root + 5, 20) == 0);
    assert(!capability_is_of_unknown_root(value + 1, size));
  }
}

int main(void) {
  check_subids();
  check_wanted();
  check_capability();
  check_apply();
  return 0;
}
