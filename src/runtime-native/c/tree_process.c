#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io.h"
#include "tree.h"

void tree_process_setup(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  umask(0);
  /* A walk has a descriptor open for each level. */
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

void tree_report(int fd, const struct error *error) {
  size_t length = strlen(error->detail);
  uint32_t header[4] = {0, error->stage, (uint32_t)error->code, (uint32_t)length};
  char record[sizeof header + ERROR_DETAIL_MAX];
  memcpy(record, header, sizeof header);
  memcpy(record + sizeof header, error->detail, length);
  /* One write, so that the record is whole; if nobody reads it, there is nobody to tell. */
  (void)!write_all(fd, record, sizeof header + length);
}
