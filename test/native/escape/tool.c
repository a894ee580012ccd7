/*
 * Small things that a shell cannot do, on either side of the border:
 *
 *   program rights          prints the effective user and capabilities
 *   program session         prints the number of the session keyring
 *   program connect NAME    connects to an abstract socket, which belongs to a network namespace and not to a file system
 *   program listen NAME     listens on one, says so, and waits to be killed
 *   program attributes PATH lists the names of extended attributes, those of overlays too
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static int rights(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {{0}, {0}};
  if (syscall(__NR_capget, &header, data) < 0)
    return 1;
  printf("euid=%u effective=%08x%08x\n", (unsigned)geteuid(), data[1].effective, data[0].effective);
  return 0;
}

static int session(void) {
  printf("%ld\n", syscall(__NR_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
  return 0;
}

static int abstract(const char *name, int (*attach)(int, const struct sockaddr *, socklen_t)) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  if (length >= sizeof address.sun_path)
    return -1;
  memcpy(address.sun_path + 1, name, length);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
  return attach(fd, (struct sockaddr *)&address, size) < 0 ? -1 : fd;
}

static int attributes(const char *path) {
  static char names[1 << 16];
  ssize_t size = llistxattr(path, names, sizeof names);
  for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1)
    puts(names + at);
  return size < 0;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  const char *command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "rights") == 0)
    return rights();
  if (strcmp(command, "session") == 0)
    return session();
  if (strcmp(command, "connect") == 0 && argc == 3) {
    puts(abstract(argv[2], connect) < 0 ? strerrorname_np(errno) : "connected");
    return 0;
  }
  if (strcmp(command, "listen") == 0 && argc == 3) {
    int fd = abstract(argv[2], bind);
    if (fd < 0 || listen(fd, 4) < 0)
      return 1;
    puts("listening");
    pause();
  }
  if (strcmp(command, "attributes") == 0 && argc == 3)
    return attributes(argv[2]);
  return 2;
}
