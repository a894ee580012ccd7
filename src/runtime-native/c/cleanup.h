/* Variables that release what they own at the end of their scope, and how to take it from them. */
#ifndef TSBUILD_CLEANUP_H
#define TSBUILD_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Both keep errno: they run after a failure and before its report. */
static inline void cleanup_fd_at(int *fd) {
  if (*fd < 0)
    return;
  int saved = errno;
  close(*fd);
  *fd = -1;
  errno = saved;
}

static inline void cleanup_free_at(void *pointer) {
  int saved = errno;
  free(*(void **)pointer);
  errno = saved;
}

/* `cleanup_fd int fd = -1;` closes fd unless it is negative. */
#define cleanup_fd __attribute__((cleanup(cleanup_fd_at)))
/* `cleanup_free char *text = NULL;` frees text. */
#define cleanup_free __attribute__((cleanup(cleanup_free_at)))

/* Gives the descriptor to the caller, so that the variable no longer owns it. */
static inline int steal_fd(int *fd) {
  int taken = *fd;
  *fd = -1;
  return taken;
}

/* The same for a pointer variable of any type. */
#define steal_pointer(variable)                                                                                        \
  ({                                                                                                                   \
    __typeof__(*(variable)) taken_ = *(variable);                                                                      \
    *(variable) = NULL;                                                                                                \
    taken_;                                                                                                            \
  })

#endif
