/*
 * Failures as data. A function that can fail takes a `struct error *` last and returns -1 with it filled, or 0 (or a
 * descriptor) and leaves it alone. `stage` is from an enum of the subcommand and part of its wire format.
 */
#ifndef TSBUILD_ERROR_H
#define TSBUILD_ERROR_H

#include <stdint.h>

#define ERROR_DETAIL_MAX 1008

struct error {
  uint32_t stage;
  /* An errno, or 0 where the stage says it all. */
  int32_t code;
  /* What it was done to: a path, a name. Cut when too long, always terminated. */
  char detail[ERROR_DETAIL_MAX];
};

/* Fills `error` and returns -1. `code` is passed, not read from errno, so that it is the caller's own. */
int fail(struct error *error, uint32_t stage, int code, const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
