/* The small files of the cgroup file systems. */
#ifndef TSBUILD_CGROUP_FILES_H
#define TSBUILD_CGROUP_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One write of the whole text, as the kernel wants it. -1 with errno. */
int cgroup_write_file(int directory, const char *file, const char *text);

/* The text of the file with a NUL after it, cut at `size` - 1 bytes; its length, -1 with errno. */
ssize_t cgroup_read_file(int directory, const char *file, char *text, size_t size);

/* The number after `key` and a space at the start of a line; false if there is none. */
bool cgroup_find_number(const char *text, const char *key, uint64_t *number);

/* The number that is all of the file; false for anything else, `max` too. */
bool cgroup_read_number(int directory, const char *file, uint64_t *number);

/* Whether `list`, separated by commas or spaces, has `word`. */
bool cgroup_has_word(const char *list, const char *word);

/* The processes in the group as seen from here, in memory that the caller frees; their number, -1 with errno. */
ssize_t cgroup_read_pids(int directory, pid_t **pids);

#endif
