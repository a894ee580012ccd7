/* This program goes on in a sealed copy of itself, which nobody can write to. */
#include "own_binary.h"

#include <sys/wait.h>

#include "check.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static char *arguments[] = {(char *)(uintptr_t) "tsbuild-runtime", (char *)(uintptr_t) "copy", NULL};

static int be_the_copy(void) {
  char name[32] = "", path[128];
  /* Returns at once. */
  own_binary_seal(arguments);
  int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), comm = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
  EXPECT(own >= 0 && (fcntl(own, F_GET_SEALS) & SEALS) == SEALS, "seals %x", fcntl(own, F_GET_SEALS));
  EXPECT(read(comm, name, sizeof name - 1) > 0 && strcmp(name, "tsbuild-runtime\n") == 0, "name %s", name);
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  EXPECT(size > 0 && strncmp(path, "/memfd:", 7) == 0, "path %.*s", (int)size, path);
  /* By the name that a container would use, and by the descriptor. */
  EXPECT(open("/proc/self/exe", O_WRONLY | O_CLOEXEC) < 0 && open("/proc/self/exe", O_RDWR | O_CLOEXEC) < 0, "writable");
  EXPECT(fcntl(own, F_ADD_SEALS, F_SEAL_WRITE) < 0 && ftruncate(own, 0) < 0, "not sealed");
  /* No descriptor of the file on the host has come along; the environment has. */
  const char *original = must(getenv("OWN_BINARY_CHECK"));
  for (int fd = 3; fd < 64; fd++) {
    char link[64], target[128];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = '\0';
    EXPECT(strcmp(target, original) != 0, "descriptor %d is %s", fd, target);
  }
  printf("own_binary: sealed\n");
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "copy") == 0)
    return be_the_copy();
  char path[PATH_MAX] = "";
  EXPECT(readlink("/proc/self/exe", path, sizeof path - 1) > 0 && setenv("OWN_BINARY_CHECK", path, 1) == 0, "errno %d",
         errno);
  fflush(stdout);
  own_binary_seal(arguments);
  fprintf(stderr, "own_binary: went on in the file of the host\n");
  return 1;
}
