/* This program goes on in a form of itself that nobody can write to: a sealed copy, or a read-only mount. */
#include "own_binary.h"

#include <sys/wait.h>

#include "check.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static char *arguments[][3] = {
    [OWN_BINARY_COPY] = {(char *)(uintptr_t) "tsbuild-runtime", (char *)(uintptr_t) "copy", NULL},
    [OWN_BINARY_MOUNT] = {(char *)(uintptr_t) "tsbuild-runtime", (char *)(uintptr_t) "mount", NULL},
};

static void expect_sealed(enum own_binary_seal how) {
  char name[32] = "", path[128];
  /* Returns at once. */
  own_binary_seal(how, arguments[how]);
  int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), comm = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
  EXPECT(read(comm, name, sizeof name - 1) > 0 && strcmp(name, "tsbuild-runtime\n") == 0, "name %s", name);
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  if (how == OWN_BINARY_COPY) {
    EXPECT(own >= 0 && (fcntl(own, F_GET_SEALS) & SEALS) == SEALS, "seals %x", fcntl(own, F_GET_SEALS));
    EXPECT(size > 0 && strncmp(path, "/memfd:", 7) == 0, "path %.*s", (int)size, path);
    EXPECT(fcntl(own, F_ADD_SEALS, F_SEAL_WRITE) < 0 && ftruncate(own, 0) < 0, "not sealed");
  } else {
    EXPECT(size == 1 && path[0] == '/', "path %.*s", (int)size, path);
    EXPECT(fchmod(own, 0777) < 0 && errno == EROFS, "errno %d", errno);
  }
  /* By the name that a container would use. */
  EXPECT(open("/proc/self/exe", O_WRONLY | O_CLOEXEC) < 0 && open("/proc/self/exe", O_RDWR | O_CLOEXEC) < 0, "writable");
  /* No descriptor of the file on the host has come along; the environment has. */
  const char *original = must(getenv("OWN_BINARY_CHECK"));
  for (int fd = 3; fd < 64; fd++) {
    char link[64], target[128];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = '\0';
    EXPECT(strcmp(target, original) != 0, "descriptor %d is %s", fd, target);
  }
}

int main(int argc, char **argv) {
  if (argc == 2) {
    expect_sealed(strcmp(argv[1], "copy") == 0 ? OWN_BINARY_COPY : OWN_BINARY_MOUNT);
    return 0;
  }
  char path[PATH_MAX] = "";
  EXPECT(readlink("/proc/self/exe", path, sizeof path - 1) > 0 && setenv("OWN_BINARY_CHECK", path, 1) == 0, "errno %d",
         errno);
  /* Only root can make the mount. */
  const int ways = geteuid() == 0 ? 2 : 1;
  for (int how = 0; how < ways; how++) {
    pid_t pid = fork();
    if (pid == 0) {
      own_binary_seal((enum own_binary_seal)how, arguments[how]);
      fprintf(stderr, "own_binary: went on in the file of the host\n");
      _exit(1);
    }
    int status;
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0, "way %d: status %x", how, (unsigned)status);
  }
  printf("own_binary: sealed in %d ways\n", ways);
  return 0;
}
