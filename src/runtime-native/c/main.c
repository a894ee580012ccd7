/* Entry point: hands over to the subcommand named by the first argument. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

#define VERSION "0.1.0"

struct command {
  const char *name;
  int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"container", container_main},
    {"files", files_main},
    {"oci", oci_main},
    {"pack", pack_main},
    {"serve", serve_main},
    {"unshare", unshare_main},
    {"worker", worker_main},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

/* One line for a person and one for a program: the subcommands that this binary has. */
static int print_version(void) {
  printf("tsbuild-runtime %s\nfeatures:", VERSION);
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (commands[i].run != NULL)
      printf(" %s", commands[i].name);
  }
  printf("\nspec: 1.2.0\n");
  return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc >= 2) {
    if (strcmp(argv[1], "--version") == 0)
      return print_version();
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
      if (strcmp(argv[1], commands[i].name) == 0 && commands[i].run != NULL)
        return commands[i].run(argc - 1, argv + 1);
    }
    /* Given to containerd or podman as their runtime, it is called with the command at once. */
    if (oci_is_command(argv[1]))
      return oci_main(argc, argv);
  }
  fprintf(stderr, "tsbuild-runtime: internal program of tsbuild, not for use by hand\n");
  return 2;
}
