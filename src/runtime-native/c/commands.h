/* The subcommands of tsbuild-runtime. Each gets argv from its own name on and returns the exit status. */
#ifndef TSBUILD_COMMANDS_H
#define TSBUILD_COMMANDS_H

#include <stdbool.h>

/* Starts one container and watches over it to its end. */
int container_main(int argc, char **argv) __attribute__((weak));
/* Makes the entries of a layer from a list of operations. */
int files_main(int argc, char **argv) __attribute__((weak));
/* Streams a tree as the entries of a layer. */
int pack_main(int argc, char **argv) __attribute__((weak));
/* Does the work of the two above, any number of times. */
int worker_main(int argc, char **argv) __attribute__((weak));
/* Starts any number of containers, by messages. */
int serve_main(int argc, char **argv) __attribute__((weak));
/* The commands of an OCI runtime. */
int oci_main(int argc, char **argv) __attribute__((weak));

/* Whether the word is one of those commands, or a flag before one. */
bool oci_is_command(const char *word);
/* Runs a program as root of a user namespace. */
int unshare_main(int argc, char **argv) __attribute__((weak));

#endif
