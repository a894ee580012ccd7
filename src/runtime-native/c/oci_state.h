/*
 * What is known of a container between two commands: a directory of its own with the state and the configuration. Every
 * command holds its lock.
 */
#ifndef TSBUILD_OCI_STATE_H
#define TSBUILD_OCI_STATE_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup.h"
#include "error.h"
#include "json.h"
#include "oci_config.h"

#define OCI_FIFO "exec.fifo"

enum oci_status { OCI_CREATING, OCI_CREATED, OCI_RUNNING, OCI_STOPPED, OCI_PAUSED };

struct oci_state {
  const char *id;
  /* Its directory, locked. */
  char path[PATH_MAX];
  int directory;
  pid_t pid;
  /* Of the process, in clock ticks after the boot: with the id it names one process. */
  uint64_t start_time;
  const char *bundle;
  const char *created;
  /* The groups' directories, of a state that was read. */
  const struct json *cgroups;
  char *text;
  struct json_document document;
};

/* Makes the directory; fails when there is one. */
int oci_state_make(struct oci_state *state, const char *root, const char *id, struct error *error);
/* Opens and reads one. `oci_state_close` after both. */
int oci_state_open(struct oci_state *state, const char *root, const char *id, struct error *error);
void oci_state_close(struct oci_state *state);

/* Writes the state file and a copy of the configuration; whole or not at all. */
int oci_state_write(const struct oci_state *state, const struct cgroup *cgroup, struct error *error);
int oci_state_keep_config(const struct oci_state *state, const struct oci_config *config, struct error *error);
/* Reads that copy. */
int oci_state_read_config(const struct oci_state *state, struct oci_config *config, struct error *error);

/* Removes the directory and with it the container. */
void oci_state_remove(const struct oci_state *state);

enum oci_status oci_state_status(const struct oci_state *state);
const char *oci_status_name(enum oci_status status);

/* Of a process: 0 when there is none, or when it is over and only not reaped. */
uint64_t oci_start_time(pid_t pid);

/* The state as hooks and `state` show it, in memory that the caller frees. Without a pid there is room for one: state_pid.h. */
char *oci_state_text(const struct oci_state *state, enum oci_status status, const struct oci_config *config);

#endif
