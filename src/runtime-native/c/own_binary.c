#include "own_binary.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define NAME "tsbuild-runtime"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_sealed(int fd) {
  int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & SEALS) == SEALS;
}

static int make_copy(int from) {
  struct stat status;
  /* Kernels before 6.3 do not know the flag and need none. */
  cleanup_fd int copy = memfd_create(NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (copy < 0)
    copy = memfd_create(NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (copy < 0 || fstat(from, &status) < 0)
    return -1;
  for (off_t left = status.st_size; left > 0;) {
    ssize_t sent = sendfile(copy, from, NULL, (size_t)left);
    if (sent <= 0)
      return -1;
    left -= sent;
  }
  return fcntl(copy, F_ADD_SEALS, SEALS) < 0 ? -1 : steal_fd(&copy);
}

void own_binary_seal(char **argv) {
  cleanup_fd int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (own < 0)
    return;
  if (is_sealed(own)) {
    /* The kernel names a program without a path by its descriptor. */
    prctl(PR_SET_NAME, NAME, 0, 0, 0);
    return;
  }
  cleanup_fd int copy = make_copy(own);
  if (copy >= 0)
    fexecve(copy, argv, environ);
}
