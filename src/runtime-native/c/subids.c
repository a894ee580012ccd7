#include "subids.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

/* Whole digits that are an id; -1 for anything else. */
static long long parse_id(const char *text) {
  if (text == NULL || text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
    return -1;
  errno = 0;
  unsigned long long number = strtoull(text, NULL, 10);
  return errno != 0 || number >= UINT_MAX ? -1 : (long long)number;
}

bool subids_name(FILE *passwd, uid_t uid, char *name, size_t size) {
  cleanup_free char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, passwd) >= 0) {
    char *rest = line;
    const char *found = strsep(&rest, ":");
    strsep(&rest, ":");
    const char *number = strsep(&rest, ":");
    if (parse_id(number) == (long long)uid && found[0] != '\0' && strlen(found) < size) {
      strcpy(name, found);
      return true;
    }
  }
  return false;
}

size_t subids_read(FILE *file, uid_t uid, const char *name, struct subid_range ranges[SUBIDS_MAX]) {
  cleanup_free char *line = NULL;
  size_t capacity = 0, count = 0;
  while (count < SUBIDS_MAX && getline(&line, &capacity, file) >= 0) {
    line[strcspn(line, "\n")] = '\0';
    char *rest = line;
    const char *owner = strsep(&rest, ":");
    long long start = parse_id(strsep(&rest, ":")), size = parse_id(strsep(&rest, ":"));
    bool is_ours = (name[0] != '\0' && strcmp(owner, name) == 0) || parse_id(owner) == (long long)uid;
    if (is_ours && start > 0 && size > 0 && start + size < UINT_MAX)
      ranges[count++] = (struct subid_range){(unsigned long)start, (unsigned long)size};
  }
  return count;
}
