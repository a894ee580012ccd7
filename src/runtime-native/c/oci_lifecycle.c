/* `start`, `kill` and `delete`: what happens to a container that was created. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cgroup_kill.h"
#include "cleanup.h"
#include "hooks.h"
#include "io.h"
#include "oci.h"
#include "oci_cgroup.h"
#include "oci_state.h"
#include "stage.h"
#include "syscalls.h"

/* A failure of one that is told and gone over, as the specification wants. */
static void run_hooks(const struct oci_state *state, enum hook_kind kind, enum oci_status status) {
  static struct oci_config config;
  struct error error;
  if (oci_state_read_config(state, &config, &error) == 0 && config.spec.hooks[kind].count > 0) {
    cleanup_free char *text = oci_state_text(state, status, &config);
    if (text != NULL && hooks_run(&config.spec.hooks[kind], text, &error) < 0)
      fprintf(stderr, "tsbuild-runtime: hook %s\n", error.detail);
  }
  oci_config_free(&config);
}

static int open_only(const struct oci_globals *globals, int argc, char **argv, struct oci_state *state,
                     struct error *error) {
  const struct oci_option options[] = {{0}};
  const char *id;
  int at;
  *state = (struct oci_state){.directory = -1};
  if (oci_options(options, argc, argv, &at, error) < 0 || oci_only_id(argc, argv, at, &id, error) < 0)
    return -1;
  return oci_state_open(state, globals->root, id, error);
}

static int start(const struct oci_state *state, struct error *error) {
  enum oci_status status = oci_state_status(state);
  if (status != OCI_CREATED)
    return oci_usage(error, "cannot start container \"%s\": it is %s", state->id, oci_status_name(status));
  cleanup_fd int gate = openat(state->directory, OCI_FIFO, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  /* Nobody reads there: the process ended between the two looks. */
  if (gate < 0 && errno == ENXIO)
    return oci_usage(error, "cannot start container \"%s\": it is stopped", state->id);
  if (gate < 0 || unlinkat(state->directory, OCI_FIFO, 0) < 0 || write_all(gate, "", 1) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "%s/" OCI_FIFO, state->path);
  run_hooks(state, HOOK_POSTSTART, OCI_RUNNING);
  return 0;
}

int oci_start_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  struct oci_state state;
  int result = open_only(globals, argc, argv, &state, error);
  if (result == 0)
    result = start(&state, error);
  oci_state_close(&state);
  return result;
}

static int parse_signal(const char *text, struct error *error) {
  char *end;
  unsigned long number = strtoul(text, &end, 10);
  if (text[0] != '\0' && *end == '\0' && number > 0 && number < NSIG)
    return (int)number;
  const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
  for (int signal = 1; signal < NSIG; signal++) {
    const char *known = sigabbrev_np(signal);
    if (known != NULL && strcasecmp(name, known) == 0)
      return signal;
  }
  for (int offset = 0; strncasecmp(name, "RT", 2) == 0 && offset <= SIGRTMAX - SIGRTMIN; offset++) {
    char low[24], high[24];
    snprintf(low, sizeof low, offset == 0 ? "RTMIN" : "RTMIN+%d", offset);
    snprintf(high, sizeof high, offset == 0 ? "RTMAX" : "RTMAX-%d", offset);
    if (strcasecmp(name, low) == 0)
      return SIGRTMIN + offset;
    if (strcasecmp(name, high) == 0)
      return SIGRTMAX - offset;
  }
  return oci_usage(error, "unknown signal \"%s\"", text);
}

static void signal_one(void *context, pid_t pid) {
  const int *number = context;
  kill(pid, *number);
}

static void signal_groups(const struct oci_state *state, int number) {
  /* The same processes are in the groups of every hierarchy. */
  const struct json *group = state->cgroups == NULL ? NULL : state->cgroups->first;
  if (group == NULL || group->kind != JSON_STRING)
    return;
  if (number == SIGKILL)
    oci_cgroup_kill(group->text);
  else
    oci_cgroup_each(group->text, signal_one, &number);
}

/* By a descriptor, so that no other process that got the number since is meant. */
static int signal_process(const struct oci_state *state, int number, struct error *error) {
  cleanup_fd int pidfd = sys_pidfd_open(state->pid);
  if (pidfd < 0 || oci_start_time(state->pid) != state->start_time)
    return oci_usage(error, "cannot kill container \"%s\": it is stopped", state->id);
  return sys_pidfd_send_signal(pidfd, number) < 0 ? fail(error, STAGE_SUPERVISOR, errno, "signal") : 0;
}

/* A process that version 1 has frozen does not die. */
static void thaw(const struct oci_state *state) {
  static struct cgroup cgroup;
  struct error ignored;
  if (oci_cgroup_open(&cgroup, state->cgroups, &ignored) == 0)
    (void)!cgroup_thaw(&cgroup, &ignored);
  oci_cgroup_close(&cgroup);
}

int oci_kill_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  bool all = false;
  const struct oci_option options[] = {{.name = "all", .letter = 'a', .flag = &all}, {0}};
  struct oci_state state = {.directory = -1};
  int at, number = SIGTERM;
  if (oci_options(options, argc, argv, &at, error) < 0)
    return -1;
  if (argc - at < 1 || argc - at > 2 || oci_check_id(argv[at], error) < 0)
    return argc - at < 1 || argc - at > 2 ? oci_usage(error, "\"kill\" needs a container id and at most a signal") : -1;
  if (argc - at == 2 && (number = parse_signal(argv[at + 1], error)) < 0)
    return -1;
  int result = oci_state_open(&state, globals->root, argv[at], error);
  if (result == 0) {
    enum oci_status status = oci_state_status(&state);
    if (all)
      signal_groups(&state, number);
    else if (status == OCI_CREATED || status == OCI_RUNNING || status == OCI_PAUSED)
      result = signal_process(&state, number, error);
    else
      result = oci_usage(error, "cannot kill container \"%s\": it is not running but %s", state.id, oci_status_name(status));
  }
  /* As runc does, a kill ends what is paused. */
  if (result == 0 && number == SIGKILL)
    thaw(&state);
  oci_state_close(&state);
  return result;
}

/* The end of the first process is that of all others in its pid namespace. */
static int kill_and_wait(const struct oci_state *state, struct error *error) {
  cleanup_fd int pidfd = sys_pidfd_open(state->pid);
  if (pidfd < 0 || oci_start_time(state->pid) != state->start_time)
    return 0;
  sys_pidfd_send_signal(pidfd, SIGKILL);
  thaw(state);
  struct pollfd entry = {.fd = pidfd, .events = POLLIN};
  int ready;
  do
    ready = poll(&entry, 1, 10000);
  while (ready < 0 && errno == EINTR);
  return ready > 0 ? 0 : fail(error, STAGE_SUPERVISOR, ETIMEDOUT, "the end of process %d", (int)state->pid);
}

static int delete(const struct oci_state *state, bool force, struct error *error) {
  enum oci_status status = oci_state_status(state);
  if (!force && status != OCI_STOPPED)
    return oci_usage(error, "cannot delete container \"%s\": it is not stopped but %s", state->id,
                     oci_status_name(status));
  if (status != OCI_STOPPED && status != OCI_CREATING && kill_and_wait(state, error) < 0)
    return -1;
  const struct json *groups = state->cgroups;
  for (const struct json *group = groups == NULL ? NULL : groups->first; group != NULL; group = group->next) {
    /* What is left of it if it had no pid namespace of its own. */
    if (group->kind == JSON_STRING && oci_cgroup_remove(group->text) < 0)
      return fail(error, STAGE_CGROUP, errno, "%s", group->text);
  }
  if (state->bundle != NULL)
    run_hooks(state, HOOK_POSTSTOP, OCI_STOPPED);
  oci_state_remove(state);
  return 0;
}

int oci_delete_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  bool force = false;
  const struct oci_option options[] = {{.name = "force", .letter = 'f', .flag = &force}, {0}};
  struct oci_state state = {.directory = -1};
  const char *id;
  int at;
  if (oci_options(options, argc, argv, &at, error) < 0 || oci_only_id(argc, argv, at, &id, error) < 0)
    return -1;
  int result = oci_state_open(&state, globals->root, id, error);
  if (result == 0)
    result = delete (&state, force, error);
  else if (force && strstr(error->detail, "does not exist") != NULL)
    result = 0;
  oci_state_close(&state);
  return result;
}
