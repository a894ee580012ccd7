#include "report.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "fd_message.h"
#include "mount_fs.h"
#include "stage.h"

static int send_message(int socket, const struct report *report, size_t size) {
  return fd_message_send(socket, report, size, -1);
}

int report_failed(int socket, const struct error *error) {
  struct report report = {.kind = REPORT_FAILED, .error = *error};
  return send_message(socket, &report, offsetof(struct report, error) + sizeof report.error);
}

int report_made(int socket, const struct made *made) {
  struct report report = {.kind = REPORT_MADE,
                          .made = {.parent_before = made->parent_before,
                                   .parent_after = made->parent_after,
                                   .parent_atime = made->parent_atime,
                                   .directory = made->directory}};
  size_t length = strlen(made->path);
  if (length >= sizeof report.made.path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(report.made.path, made->path, length + 1);
  return send_message(socket, &report, offsetof(struct report, made.path) + length + 1);
}

int report_made_in_root(void *context, int parent, const struct made *made, struct error *error) {
  const struct report_made_in *to = context;
  if (mount_id(parent) != to->root_mount)
    return 0;
  return report_made(to->socket, made) < 0 ? fail(error, STAGE_TARGET, errno, "%s", made->path) : 0;
}

int report_terminal(int socket, int master) {
  struct report report = {.kind = REPORT_TERMINAL};
  return fd_message_send(socket, &report, offsetof(struct report, error), master);
}

int report_ready(int socket) {
  struct report report = {.kind = REPORT_READY};
  return send_message(socket, &report, offsetof(struct report, error));
}

int report_hooks(int socket) {
  struct report report = {.kind = REPORT_HOOKS};
  return send_message(socket, &report, offsetof(struct report, error));
}

int report_receive(int socket, struct report *report, int *fd) {
  ssize_t got;
  /* Told once when the process ended before it read that it may go on; what it reported comes after. */
  do
    got = fd_message_receive(socket, report, sizeof *report, MSG_DONTWAIT, fd);
  while (got < 0 && errno == ECONNRESET);
  if (got <= 0)
    return (int)got;
  size_t size = (size_t)got;
  bool whole = size >= offsetof(struct report, error) && report->kind >= REPORT_FAILED && report->kind <= REPORT_LAST;
  if (whole && report->kind == REPORT_FAILED)
    whole = size == offsetof(struct report, error) + sizeof report->error;
  if (whole && report->kind == REPORT_MADE)
    whole = size > offsetof(struct report, made.path) + 1 && report->made.path[0] == '/' &&
            ((const char *)report)[size - 1] == '\0';
  if (whole)
    return 1;
  errno = EPROTO;
  return -1;
}
