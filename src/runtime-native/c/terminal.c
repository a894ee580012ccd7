#include "terminal.h"

#include <errno.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "mount_fs.h"
#include "stage.h"
#include "syscalls.h"
#include "userns.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* A mount of the slave by descriptor; by path it could be another file by now. */
static int bind_console(const struct mount_set *mounts, int slave, struct error *error) {
  cleanup_fd int file = openat(mounts->dev, "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0)
    return fail(error, STAGE_TERMINAL, errno, "/dev/console");
  cleanup_fd int target = openat(mounts->dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  cleanup_fd int mount = mount_clone(slave, false);
  if (target < 0 || mount < 0 || mount_attach(mount, target) < 0)
    return fail(error, STAGE_TERMINAL, errno, "/dev/console");
  return 0;
}

int terminal_open(const struct mount_set *mounts, const struct identity *identity, const struct winsize *size,
                  struct terminal *terminal, struct error *error) {
  if (mounts->pts < 0)
    return fail(error, STAGE_TERMINAL, 0, "a terminal needs a new devpts at /dev/pts");
  cleanup_fd int master = openat(mounts->pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  int unlocked = 0;
  if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
    return fail(error, STAGE_TERMINAL, errno, "ptmx");
  cleanup_fd int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0)
    return fail(error, STAGE_TERMINAL, errno, "slave");
  if (size->ws_row != 0 && ioctl(master, TIOCSWINSZ, size) < 0)
    return fail(error, STAGE_TERMINAL, errno, "size");
  const gid_t group = userns_has_gid(TTY_GROUP) ? TTY_GROUP : (gid_t)-1;
  if (fchown(slave, identity->uid, group) < 0 || fchmod(slave, 0620) < 0)
    return fail(error, STAGE_TERMINAL, errno, "owner");
  if (mounts->dev >= 0 && bind_console(mounts, slave, error) < 0)
    return -1;
  terminal->master = steal_fd(&master);
  terminal->slave = steal_fd(&slave);
  return 0;
}

int terminal_take(int slave, struct error *error) {
  for (int fd = 0; fd < 3; fd++) {
    if (dup2(slave, fd) < 0)
      return fail(error, STAGE_TERMINAL, errno, "stdio");
  }
  return ioctl(0, TIOCSCTTY, 0) < 0 ? fail(error, STAGE_TERMINAL, errno, "controlling terminal") : 0;
}
