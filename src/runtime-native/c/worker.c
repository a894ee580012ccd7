/*
 * `worker`: does one piece of file work after the other, each in a fork of itself, since a start of this program costs tsbuild
 * many times more than a fork.
 *
 * A request on stdin is a u32 size and that many bytes: the name and the arguments of a subcommand, each ended by a zero
 * byte. What the subcommand reads and writes follows on stdin and stdout; all of them say there when they are done. The end of stdin
 * ends the worker, and so does a subcommand that fails, as nobody knows how much of its input it has left.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "io.h"
#include "tree.h"

/* Enough for the longest list of layers. */
#define REQUEST_MAX (4u << 20)

/* 1 for a request, 0 at the end; *data must be freed. */
static int read_request(char **data, size_t *size) {
  uint32_t wanted;
  ssize_t got = read_all(STDIN_FILENO, &wanted, sizeof wanted);
  if (got == 0)
    return 0;
  if (got != sizeof wanted || wanted == 0 || wanted > REQUEST_MAX)
    return -1;
  *size = wanted;
  *data = malloc(wanted);
  if (*data == NULL || read_all(STDIN_FILENO, *data, wanted) != (ssize_t)wanted || (*data)[wanted - 1] != '\0')
    return -1;
  return 1;
}

/* The arguments point into `data`; NULL without memory. */
static char **split(char *data, size_t size, int *count) {
  *count = 0;
  for (size_t i = 0; i < size; i++)
    *count += data[i] == '\0';
  char **arguments = calloc((size_t)*count + 1, sizeof *arguments);
  for (int i = 0; arguments != NULL && i < *count; i++) {
    arguments[i] = data;
    data += strlen(data) + 1;
  }
  return arguments;
}

static int run(char *data, size_t size) {
  int count;
  char **arguments = split(data, size, &count);
  if (arguments == NULL)
    return 1;
  if (strcmp(arguments[0], "files") == 0)
    return files_main(count, arguments);
  return strcmp(arguments[0], "pack") == 0 ? pack_main(count, arguments) : 2;
}

int worker_main(int argc, char **argv) {
  (void)argv;
  if (argc != 1)
    return 2;
  tree_process_setup();
  for (;;) {
    char *data = NULL;
    size_t size = 0;
    int status = read_request(&data, &size);
    if (status <= 0)
      return status < 0 ? 1 : 0;
    const pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
      /* A parent that died before the call sends no signal. */
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      _exit(getppid() == parent ? run(data, size) : 1);
    }
    free(data);
    int ending;
    while (pid > 0 && waitpid(pid, &ending, 0) < 0 && errno == EINTR)
      ;
    if (pid < 0 || ending != 0)
      return 1;
  }
}
