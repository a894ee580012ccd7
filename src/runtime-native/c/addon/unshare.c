/*
 * Loaded into Node by process.dlopen, which never returns: replaces this process by `tsbuild-runtime unshare` beside this
 * file, for the same program and arguments again. Node has no exec of its own before version 22.15; with a child process
 * instead, each signal of the terminal would come twice.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNTIME "tsbuild-runtime"

/* The arguments as the kernel has them: each with a zero byte after it. NULL on failure. */
static char *read_arguments(size_t *size) {
  int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  char *text = NULL;
  size_t capacity = 0;
  ssize_t got = fd < 0 ? -1 : 1;
  for (*size = 0; got > 0; *size += (size_t)got) {
    if (capacity - *size < 2) {
      capacity = capacity == 0 ? 65536 : capacity * 2;
      char *grown = realloc(text, capacity);
      if (grown == NULL)
        return NULL;
      text = grown;
    }
    got = read(fd, text + *size, capacity - *size - 1);
    if (got < 0)
      return NULL;
  }
  return text;
}

static int find_runtime(char *path) {
  Dl_info info;
  if (dladdr((void *)find_runtime, &info) == 0 || info.dli_fname == NULL)
    return -1;
  const char *slash = strrchr(info.dli_fname, '/');
  size_t length = slash == NULL ? 0 : (size_t)(slash + 1 - info.dli_fname);
  if (length + sizeof RUNTIME > PATH_MAX)
    return -1;
  memcpy(path, info.dli_fname, length);
  strcpy(path + length, RUNTIME);
  return 0;
}

__attribute__((constructor)) static void replace_process(void) {
  static char runtime[PATH_MAX], program[PATH_MAX], command[] = "unshare", separator[] = "--";
  size_t size = 0;
  char *text = read_arguments(&size);
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (text == NULL || size == 0 || length <= 0 || find_runtime(runtime) < 0)
    return;
  size_t count = 0;
  for (size_t at = 0; at < size; at++)
    count += text[at] == '\0';
  char **arguments = calloc(count + 5, sizeof *arguments);
  if (arguments == NULL)
    return;
  size_t used = 0;
  arguments[used++] = runtime;
  arguments[used++] = command;
  arguments[used++] = separator;
  arguments[used++] = program;
  for (char *at = text + strlen(text) + 1; at < text + size; at += strlen(at) + 1)
    arguments[used++] = at;
  /* Node marks them when it starts. */
  for (int fd = 0; fd < 3; fd++)
    fcntl(fd, F_SETFD, 0);
  execv(runtime, arguments);
}
