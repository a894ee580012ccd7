/* The life of a container's first process as its parent sees it. */
#ifndef TSBUILD_SUPERVISOR_H
#define TSBUILD_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

#include "error.h"
#include "relay.h"
#include "spec.h"
#include "stubs.h"

enum relay_index { RELAY_STDIN, RELAY_STDOUT, RELAY_STDERR, RELAY_COUNT };

struct supervisor {
  const struct container_spec *spec;
  /* To tsbuild and from it; the end of `control` means that it is gone. -1 once it is. */
  int status;
  int control;
  /* Delivers the signals to forward. */
  int signals;
  pid_t pid;
  int pidfd;
  /* Reports of the first process; -1 after its exec or exit. */
  int reports;
  struct relay relays[RELAY_COUNT];
  /* Master of the container's terminal, owned by a relay; -1 without one. */
  int terminal;
  bool is_raw;
  struct termios saved;
  struct stubs stubs;
  bool ready;
  bool started;
  bool failed;
  struct error error;
  bool exited;
  int wait_status;
};

/* Blocks the signals that are forwarded and opens the descriptor that delivers them. */
int supervisor_signals(struct error *error);

/*
 * Serves the container until its first process is reaped and its output delivered: relays stdio and signals, collects
 * the reports, kills it when tsbuild asks or is gone.
 */
void supervisor_run(struct supervisor *supervisor);

/* SIGKILL, which the process cannot block; the kernel then ends everything else in the container. */
void supervisor_kill(const struct supervisor *supervisor);

#endif
