/* What the starter of a container is told, as records that status.ts reads. */
#ifndef TSBUILD_STATUS_H
#define TSBUILD_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

enum status_kind {
  /* That process is now the command; value is its process id. */
  STATUS_STARTED = 1,
  /* It could not be started; value is the stage, code an errno. The last record. */
  STATUS_FAILED = 2,
  /* It ended and its output is delivered; value is the exit code, code is 1 after an out-of-memory kill. The last record. */
  STATUS_EXITED = 3,
  /* The first process was made; value is its process id. */
  STATUS_CREATED = 4,
  /* The answer to a request; value is its number, code 0 or an errno, detail what was asked for or why it failed. */
  STATUS_ANSWER = 5,
};

struct status_record {
  uint32_t kind;
  uint32_t value;
  int32_t code;
  uint32_t detail_size;
  char detail[ERROR_DETAIL_MAX];
};

_Static_assert(sizeof(struct status_record) == 1024, "the record is wire format");

/* Process ids are those that the host's /proc shows. */
struct status_record status_created(pid_t pid);
struct status_record status_started(pid_t pid);
struct status_record status_failed(const struct error *error);
struct status_record status_exited(unsigned code, bool oom_killed);

struct status_record status_answer(uint32_t request);
struct status_record status_refused(uint32_t request, const struct error *error);

/* Takes the size of the text that was written to the record's detail. */
void status_measure(struct status_record *record);

/* The part of the record that is in use. */
size_t status_size(const struct status_record *record);

#endif
