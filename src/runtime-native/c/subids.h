/* The further ids that the administrator gave to a user: /etc/subuid and /etc/subgid (subuid(5)). */
#ifndef TSBUILD_SUBIDS_H
#define TSBUILD_SUBIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* One line of the kernel's map is for the user's own id. */
#define SUBIDS_MAX 339

struct subid_range {
  unsigned long start;
  unsigned long count;
};

/* The login name of `uid` from a passwd file, without the C library's name services; false if it has none. */
bool subids_name(FILE *passwd, uid_t uid, char *name, size_t size);

/* The ranges that a subuid or subgid file gives to the user, by name or by number, in the file's order. Returns how many. */
size_t subids_read(FILE *file, uid_t uid, const char *name, struct subid_range ranges[SUBIDS_MAX]);

#endif
