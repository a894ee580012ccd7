/* A process that was cloned for a container and sets itself up: what it reports until its command can run. */
#ifndef TSBUILD_OCI_LAUNCH_H
#define TSBUILD_OCI_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

struct oci_launch {
  /* Of the parent. */
  int socket;
  /* Where the master of the terminal goes; NULL keeps it in `master`. */
  const char *console_socket;
  int master;
  /* Runs what has to happen outside; may be NULL. */
  int (*on_hooks)(void *context, struct error *error);
  void *context;
};

/* 0 once it is ready. -1 with `error` filled when it failed, or ended. */
int oci_launch_wait(struct oci_launch *launch, struct error *error);

/* Waits for its exec: 0, or -1 with `error` filled. */
int oci_launch_started(struct oci_launch *launch, struct error *error);

/* Checks the options that have to do with a terminal. */
int oci_check_console(bool terminal, const char *console_socket, bool detached, struct error *error);

/* Writes a process id to a file, whole or not at all. */
int oci_write_pid(const char *path, pid_t pid, struct error *error);

#endif
