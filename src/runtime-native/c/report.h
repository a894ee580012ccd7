/*
 * What the process that becomes the container tells its supervisor until its exec, one message each on a socket that
 * keeps messages apart and that the exec closes.
 */
#ifndef TSBUILD_REPORT_H
#define TSBUILD_REPORT_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "error.h"
#include "target.h"

enum report_kind {
  /* Set-up failed; the process exits. */
  REPORT_FAILED = 1,
  /* Something was made in the root as a mount point. */
  REPORT_MADE,
  /* Comes with the master side of the terminal. */
  REPORT_TERMINAL,
  /* All is done but the exec. */
  REPORT_READY,
  /* Waits for a byte: the hooks that run outside are due. */
  REPORT_HOOKS,
  REPORT_LAST = REPORT_HOOKS,
};

struct report {
  enum report_kind kind;
  union {
    struct error error;
    struct {
      struct timespec parent_before;
      struct timespec parent_after;
      struct timespec parent_atime;
      int directory;
      char path[PATH_MAX];
    } made;
  };
};

/* Each sends one message; -1 with errno, or with `error` filled. */
int report_failed(int socket, const struct error *error);
int report_made(int socket, const struct made *made);
/* The `on_made` of a target_maker: tells of what is in the root itself. What was made in a mount of the user belongs to its source. */
struct report_made_in {
  int socket;
  uint64_t root_mount;
};
int report_made_in_root(void *context, int parent, const struct made *made, struct error *error);
int report_terminal(int socket, int master);
int report_ready(int socket);
int report_hooks(int socket);

/*
 * Receives one message without waiting. *fd becomes a descriptor that came with it, or -1. 1 for a message, 0 at the
 * end, -1 with errno; EPROTO for what is no message.
 */
int report_receive(int socket, struct report *report, int *fd);

#endif
