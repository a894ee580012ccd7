/* Mount points that had to be made in the root, and their removal once the container is gone. */
#ifndef TSBUILD_STUBS_H
#define TSBUILD_STUBS_H

#include <stdbool.h>
#include <stddef.h>

#include "report.h"

struct stub {
  struct report report;
  dev_t device;
  ino_t inode;
};

struct stubs {
  /* The directory that the container's writes go to. */
  int root;
  struct stub *items;
  size_t count;
};

/* Remembers what was made. What cannot be identified now is not removed later. */
void stubs_add(struct stubs *stubs, const struct report *report);

/*
 * Removes those that are still what was made and still empty, the last first, and gives their parents the times from
 * before, unless something else has changed in them since. Only when no process of the container is left.
 */
void stubs_remove(struct stubs *stubs);

#endif
