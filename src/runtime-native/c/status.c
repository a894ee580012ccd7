#include "status.h"

#include <string.h>

struct status_record status_created(pid_t pid) {
  return (struct status_record){.kind = STATUS_CREATED, .value = (uint32_t)pid};
}

struct status_record status_started(pid_t pid) {
  return (struct status_record){.kind = STATUS_STARTED, .value = (uint32_t)pid};
}

struct status_record status_failed(const struct error *error) {
  struct status_record record = {.kind = STATUS_FAILED, .value = error->stage, .code = error->code};
  memcpy(record.detail, error->detail, sizeof record.detail);
  status_measure(&record);
  return record;
}

struct status_record status_exited(unsigned code, bool oom_killed) {
  return (struct status_record){.kind = STATUS_EXITED, .value = code, .code = oom_killed};
}

struct status_record status_answer(uint32_t request) {
  return (struct status_record){.kind = STATUS_ANSWER, .value = request};
}

void status_measure(struct status_record *record) {
  record->detail_size = (uint32_t)strnlen(record->detail, sizeof record->detail);
}

struct status_record status_refused(uint32_t request, const struct error *error) {
  struct status_record record = status_failed(error);
  record.kind = STATUS_ANSWER;
  record.value = request;
  return record;
}

size_t status_size(const struct status_record *record) {
  return offsetof(struct status_record, detail) + record->detail_size;
}
