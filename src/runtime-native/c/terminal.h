/* A terminal of the container's own, from its own devpts. */
#ifndef TSBUILD_TERMINAL_H
#define TSBUILD_TERMINAL_H

#include <sys/ioctl.h>

#include "error.h"
#include "identity.h"
#include "mounts.h"

/* Group tty of Linux systems. */
#define TTY_GROUP 5

struct terminal {
  int master;
  int slave;
};

/* Opens a pair owned by the user, of the given size (0 rows: unknown), and makes /dev/console the slave where /dev is the container's. */
int terminal_open(const struct mount_set *mounts, const struct identity *identity, const struct winsize *size,
                  struct terminal *terminal, struct error *error);

/* Makes the slave the controlling terminal of the calling session leader and its stdio. */
int terminal_take(int slave, struct error *error);

#endif
