/* What the supervisor tells tsbuild, as records of one size that a pipe keeps whole. status.ts reads them. */
#ifndef TSBUILD_STATUS_H
#define TSBUILD_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

enum status_kind {
  /* The first process was made; value is its process id. */
  STATUS_CREATED = 4,
  /* That process is now the command; value is its process id. */
  STATUS_STARTED = 1,
  /* It could not be started; value is the stage, code an errno. The last record. */
  STATUS_FAILED = 2,
  /* It ended and everything is cleaned up; value is the exit code, code is 1 after an out-of-memory kill. The last record. */
  STATUS_EXITED = 3,
};

struct status_record {
  uint32_t kind;
  uint32_t value;
  int32_t code;
  uint32_t detail_size;
  char detail[ERROR_DETAIL_MAX];
};

_Static_assert(sizeof(struct status_record) == 1024, "the record is wire format");

/* A reader that is gone is no failure: there is nobody left to tell. */
void status_created(int fd, pid_t pid);
void status_started(int fd, pid_t pid);
void status_failed(int fd, const struct error *error);
void status_exited(int fd, unsigned code, bool oom_killed);

#endif
