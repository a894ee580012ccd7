#include "oci_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "oci.h"
#include "oci_attach.h"
#include "report.h"
#include "stage.h"

/* 1 for a report, 0 at the end. */
static int next_report(const struct oci_launch *launch, struct report *report, int *fd) {
  for (;;) {
    struct pollfd entry = {.fd = launch->socket, .events = POLLIN};
    if (poll(&entry, 1, -1) < 0 && errno != EINTR)
      return 0;
    int got = report_receive(launch->socket, report, fd);
    if (got >= 0 || errno != EAGAIN)
      return got > 0;
  }
}

static int take_master(struct oci_launch *launch, int *fd, struct error *error) {
  if (launch->console_socket != NULL)
    return oci_send_master(launch->console_socket, *fd, error);
  launch->master = steal_fd(fd);
  return 0;
}

static int use(struct oci_launch *launch, const struct report *report, int *fd, bool *ready, struct error *error) {
  switch (report->kind) {
  case REPORT_FAILED:
    *error = report->error;
    return -1;
  case REPORT_MADE:
    return 0;
  case REPORT_TERMINAL:
    return take_master(launch, fd, error);
  case REPORT_HOOKS:
    if (launch->on_hooks != NULL && launch->on_hooks(launch->context, error) < 0)
      return -1;
    (void)!write_all(launch->socket, "", 1);
    return 0;
  case REPORT_READY:
    *ready = true;
    return 0;
  }
  return 0;
}

int oci_launch_wait(struct oci_launch *launch, struct error *error) {
  static struct report report;
  bool ready = false;
  while (!ready) {
    cleanup_fd int fd = -1;
    if (!next_report(launch, &report, &fd))
      return fail(error, STAGE_SUPERVISOR, 0, "killed while it was set up");
    if (use(launch, &report, &fd, &ready, error) < 0)
      return -1;
  }
  return 0;
}

int oci_launch_started(struct oci_launch *launch, struct error *error) {
  static struct report report;
  cleanup_fd int fd = -1;
  if (!next_report(launch, &report, &fd))
    return 0;
  bool ready;
  return use(launch, &report, &fd, &ready, error);
}

int oci_check_console(bool terminal, const char *console_socket, bool detached, struct error *error) {
  if (!terminal && console_socket != NULL)
    return oci_usage(error, "flag \"--console-socket\" needs a process with a terminal");
  if (terminal && detached && console_socket == NULL)
    return oci_usage(error, "a detached process with a terminal needs the flag \"--console-socket\"");
  return 0;
}

int oci_write_pid(const char *path, pid_t pid, struct error *error) {
  char temporary[PATH_MAX], text[16];
  const char *slash = strrchr(path, '/');
  const int head = slash == NULL ? 0 : (int)(slash - path) + 1;
  if (snprintf(temporary, sizeof temporary, "%.*s.%s", head, path, path + head) >= (int)sizeof temporary)
    return fail(error, STAGE_SUPERVISOR, ENAMETOOLONG, "%s", path);
  snprintf(text, sizeof text, "%d", (int)pid);
  cleanup_fd int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || write_all(fd, text, strlen(text)) < 0 || rename(temporary, path) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "%s", path);
  return 0;
}
