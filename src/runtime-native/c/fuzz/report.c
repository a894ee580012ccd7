/* What the process that becomes the container reports (report.c). */
#include "report.h"

#include <sys/socket.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct report report;
  int ends[2], fd;
  if (size > sizeof report + 16)
    return 0;
  EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "errno %d", errno);
  EXPECT(send(ends[0], data, size, 0) == (ssize_t)size, "errno %d", errno);
  int status = report_receive(ends[1], &report, &fd);
  EXPECT(fd == -1 && (status == 1 || (status == 0 && size == 0) || (status == -1 && errno == EPROTO)), "status %d", status);
  if (status == 1 && report.kind == REPORT_MADE)
    EXPECT(report.made.path[0] == '/' && strlen(report.made.path) < sizeof report.made.path, "path");
  close(ends[0]);
  close(ends[1]);
  return 0;
}
