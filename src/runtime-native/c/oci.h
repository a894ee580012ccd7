/* The command line of an OCI runtime: its subcommands and what they share. */
#ifndef TSBUILD_OCI_H
#define TSBUILD_OCI_H

#include <stdbool.h>

#include "error.h"

#define OCI_VERSION "1.2.0"

struct oci_globals {
  /* The directory of all containers' states. */
  const char *root;
};

/* Each gets argv from its own name on and returns the exit status; -1 with `error` filled. */
int oci_create_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_run_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_start_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_state_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_kill_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_delete_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_exec_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_list_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_ps_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_pause_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_resume_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_update_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_events_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_spec_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);
int oci_features_main(const struct oci_globals *globals, int argc, char **argv, struct error *error);

/* Fails because of how it was called. */
int oci_usage(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The time now, as RFC 3339 writes it. */
#define OCI_TIME_SIZE 64
void oci_time(char text[OCI_TIME_SIZE]);

/* An option with its value, or a flag, in a table that ends with a NULL name. */
struct oci_option {
  const char *name;
  /* One letter, or 0. */
  char letter;
  const char **value;
  bool *flag;
  /* Collects every value, in an array with room for all arguments. */
  const char **values;
  unsigned *count;
};

/* Reads options up to the first other word; *at becomes its index. Unknown ones are failures. */
int oci_options(const struct oci_option *options, int argc, char **argv, int *at, struct error *error);

/* The value of --preserve-fds: how many descriptors from 3 on go to the command. They must be open. */
int oci_preserved_fds(const char *text, unsigned *count, struct error *error);

/* The only argument left: a container's name that is safe as that of a directory. */
int oci_only_id(int argc, char **argv, int at, const char **id, struct error *error);
int oci_check_id(const char *id, struct error *error);

#endif
