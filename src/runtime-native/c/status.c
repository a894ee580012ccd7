#include "status.h"

#include <string.h>

#include "io.h"

static void send_record(int fd, const struct status_record *record) { (void)!write_all(fd, record, sizeof *record); }

void status_created(int fd, pid_t pid) {
  struct status_record record = {.kind = STATUS_CREATED, .value = (uint32_t)pid};
  send_record(fd, &record);
}

void status_started(int fd, pid_t pid) {
  struct status_record record = {.kind = STATUS_STARTED, .value = (uint32_t)pid};
  send_record(fd, &record);
}

void status_failed(int fd, const struct error *error) {
  struct status_record record = {.kind = STATUS_FAILED, .value = error->stage, .code = error->code};
  record.detail_size = (uint32_t)strnlen(error->detail, sizeof error->detail);
  memcpy(record.detail, error->detail, record.detail_size);
  send_record(fd, &record);
}

void status_exited(int fd, unsigned code, bool oom_killed) {
  struct status_record record = {.kind = STATUS_EXITED, .value = code, .code = oom_killed};
  send_record(fd, &record);
}
