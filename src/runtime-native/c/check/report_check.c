/* Reports of the first process, and what its supervisor makes of them and of what is none. */
#include "report.h"

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>

#include "check.h"
#include "container.h"

#define ROUNDS 20000

static int ends[2];

static void open_pair(void) {
  EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "errno %d", errno);
}

static void check_kinds(void) {
  static struct report report;
  int fd;
  EXPECT(report_receive(ends[1], &report, &fd) == -1 && errno == EAGAIN, "errno %d", errno);

  struct error error = {.stage = 7, .code = 5};
  memset(error.detail, 'x', sizeof error.detail);
  EXPECT(report_failed(ends[0], &error) == 0 && report_receive(ends[1], &report, &fd) == 1, "errno %d", errno);
  EXPECT(report.kind == REPORT_FAILED && memcmp(&report.error, &error, sizeof error) == 0 && fd == -1, "%d", report.kind);

  char path[PATH_MAX + 1];
  memset(path, 'y', sizeof path);
  path[0] = '/';
  path[PATH_MAX] = '\0';
  struct made made = {.path = path, .directory = true, .parent_before = {1, 2}, .parent_after = {3, 4}};
  EXPECT(report_made(ends[0], &made) == -1 && errno == ENAMETOOLONG, "errno %d", errno);
  path[PATH_MAX - 1] = '\0';
  EXPECT(report_made(ends[0], &made) == 0 && report_receive(ends[1], &report, &fd) == 1, "errno %d", errno);
  EXPECT(report.kind == REPORT_MADE && strcmp(report.made.path, path) == 0 && report.made.parent_after.tv_nsec == 4,
         "%d", report.kind);

  EXPECT(report_terminal(ends[0], ends[0]) == 0 && report_receive(ends[1], &report, &fd) == 1, "errno %d", errno);
  EXPECT(report.kind == REPORT_TERMINAL && fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "descriptor %d", fd);
  close(fd);
  EXPECT(report_ready(ends[0]) == 0 && report_receive(ends[1], &report, &fd) == 1 && report.kind == REPORT_READY,
         "errno %d", errno);
}

/* A report is taken only if all that its reader will use is there. */
static void check_random(void) {
  static struct report sent, report;
  unsigned taken = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    size_t size = 1 + (draw(2) == 0 ? draw(sizeof sent) : draw(128));
    for (size_t i = 0; i < size; i++)
      ((uint8_t *)&sent)[i] = draw(4) == 0 ? 0 : (uint8_t)draw(256);
    uint32_t kind = draw(8) == 0 ? draw(UINT32_MAX) : draw(6);
    memcpy(&sent, &kind, size < sizeof kind ? size : sizeof kind);
    if (draw(3) == 0 && size > offsetof(struct report, made.path) + 1) {
      sent.made.path[0] = '/';
      ((char *)&sent)[size - 1] = '\0';
    }
    EXPECT(send(ends[0], &sent, size, 0) == (ssize_t)size, "errno %d", errno);
    int fd, status = report_receive(ends[1], &report, &fd);
    EXPECT(fd == -1 && (status == 1 || (status == -1 && errno == EPROTO)), "status %d", status);
    if (status == 1) {
      EXPECT(report.kind >= REPORT_FAILED && report.kind <= REPORT_LAST, "kind %u", report.kind);
      EXPECT(report.kind != REPORT_MADE || (report.made.path[0] == '/' && strlen(report.made.path) < size), "a path");
      EXPECT(report.kind != REPORT_FAILED || size == offsetof(struct report, error) + sizeof report.error, "%zu", size);
      taken++;
    }
  }
  printf("report: %d random messages, %u taken\n", ROUNDS, taken);
}

static unsigned told;
static void count_status(struct container *container, const struct status_record *record) {
  (void)container;
  (void)record;
  told++;
}

/* Serves a container whose process has come to its exec, until it is told; with an error in errno that nobody caused now. */
static void check_end(int stale) {
  static struct container container;
  static const struct container_owner owner = {.on_status = count_status};
  container = (struct container){.owner = &owner, .pid = 1, .pidfd = -1, .ready = true, .deadline = -1, .reports = ends[1]};
  container.stubs.root = -1;
  for (size_t i = 0; i < RELAY_COUNT; i++)
    relay_init(&container.relays[i]);
  told = 0;
  close(ends[0]);
  struct pollfd entries[CONTAINER_POLLS];
  container_poll(&container, entries);
  EXPECT(poll(entries, CONTAINER_POLLS, 0) == 1 && entries[POLL_REPORTS].revents != 0, "no end of the socket");
  errno = stale;
  container_serve(&container, entries);
  EXPECT(container.reports == -1 && container.started && told == 1, "errno was %d", stale);
}

int main(void) {
  open_pair();
  check_kinds();
  check_random();
  check_end(0);
  open_pair();
  check_end(EAGAIN);
  return 0;
}
