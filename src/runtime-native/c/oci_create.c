/* `create` and `run`: a container from its bundle. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cgroup_find.h"
#include "cleanup.h"
#include "hooks.h"
#include "init.h"
#include "io.h"
#include "namespaces.h"
#include "oci.h"
#include "oci_attach.h"
#include "oci_cgroup.h"
#include "oci_config.h"
#include "oci_launch.h"
#include "oci_state.h"
#include "stage.h"
#include "state_pid.h"
#include "syscalls.h"

struct creation {
  const char *id;
  const char *bundle_option;
  const char *pid_file;
  const char *console_socket;
  unsigned preserved_fds;
  bool keeps_keyring;
  /* `run`: the command starts at once; in the foreground unless detached. */
  bool runs;
  bool detached;

  char bundle[PATH_MAX];
  char created[OCI_TIME_SIZE];
  struct oci_config config;
  struct oci_state state;
  struct cgroup found, cgroup;
  struct oci_launch launch;
  int init_socket;
  int gate;
  int joins[SPEC_NAMESPACES_MAX];
};

static int read_options(struct creation *creation, int argc, char **argv, struct error *error) {
  const char *preserve = "0";
  bool no_pivot = false;
  const struct oci_option options[] = {
      {.name = "bundle", .letter = 'b', .value = &creation->bundle_option},
      {.name = "console-socket", .value = &creation->console_socket},
      {.name = "pid-file", .value = &creation->pid_file},
      {.name = "preserve-fds", .value = &preserve},
      {.name = "no-pivot", .flag = &no_pivot},
      {.name = "no-new-keyring", .flag = &creation->keeps_keyring},
      {.name = creation->runs ? "detach" : "", .letter = creation->runs ? 'd' : 0, .flag = &creation->detached},
      {0},
  };
  int at;
  if (oci_options(options, argc, argv, &at, error) < 0 || oci_only_id(argc, argv, at, &creation->id, error) < 0)
    return -1;
  if (no_pivot)
    return oci_usage(error, "flag \"--no-pivot\" is not supported: pivot_root is what keeps the host out of reach");
  return oci_preserved_fds(preserve, &creation->preserved_fds, error);
}

static int read_bundle(struct creation *creation, struct error *error) {
  char path[PATH_MAX + 16];
  const char *bundle = creation->bundle_option == NULL ? "." : creation->bundle_option;
  if (realpath(bundle, creation->bundle) == NULL)
    return fail(error, STAGE_SPEC, errno, "%s", bundle);
  snprintf(path, sizeof path, "%s/config.json", creation->bundle);
  if (oci_config_read(&creation->config, path, creation->bundle, error) < 0 ||
      cgroup_find(&creation->found, error) < 0 ||
      oci_resources(&creation->config, creation->found.version, &creation->config.spec, error) < 0)
    return -1;
  creation->config.spec.id = creation->id;
  return oci_check_console(creation->config.spec.terminal, creation->console_socket,
                           !creation->runs || creation->detached, error);
}

static int make_state(struct creation *creation, const char *root, struct error *error) {
  struct oci_state *state = &creation->state;
  if (oci_state_make(state, root, creation->id, error) < 0)
    return -1;
  oci_time(creation->created);
  state->created = creation->created;
  state->bundle = creation->bundle;
  if (oci_state_keep_config(state, &creation->config, error) < 0)
    return -1;
  if (creation->runs)
    return 0;
  /* Open at both ends, so that nobody has to wait for the other. */
  if (mkfifoat(state->directory, OCI_FIFO, 0600) < 0 ||
      (creation->gate = openat(state->directory, OCI_FIFO, O_RDWR | O_NOFOLLOW | O_CLOEXEC)) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "%s/" OCI_FIFO, state->path);
  return 0;
}

static int run_outer_hooks(void *context, struct error *error) {
  struct creation *creation = context;
  const struct container_spec *spec = &creation->config.spec;
  cleanup_free char *text = oci_state_text(&creation->state, OCI_CREATING, &creation->config);
  if (text == NULL)
    return fail(error, STAGE_HOOK, ENOMEM, "state");
  if (hooks_run(&spec->hooks[HOOK_PRESTART], text, error) < 0)
    return -1;
  return hooks_run(&spec->hooks[HOOK_CREATE_RUNTIME], text, error);
}

/* The process, in its namespaces and with version 2 in its group. */
static int start_process(struct creation *creation, struct error *error) {
  const struct container_spec *spec = &creation->config.spec;
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "socket");
  creation->launch.socket = sockets[0];
  creation->init_socket = sockets[1];
  cleanup_free char *text = NULL;
  if (hooks_any(spec, HOOK_PRESTART, HOOK_START_CONTAINER) &&
      (text = oci_state_text(&creation->state, OCI_CREATED, &creation->config)) == NULL)
    return fail(error, STAGE_HOOK, ENOMEM, "state");
  struct init init = {.spec = spec,
                      .cgroup = &creation->cgroup,
                      .socket = creation->init_socket,
                      .stdio = {-1, -1, -1},
                      .open_files = UINT64_MAX,
                      .outlives_parent = !creation->runs || creation->detached,
                      .gate = creation->gate,
                      .network = -1,
                      .keeps_keyring = creation->keeps_keyring,
                      .preserved_fds = creation->preserved_fds,
                      .state = text};
  memcpy(init.joins, creation->joins, sizeof init.joins);
  if (!oci_caller_size(&init.terminal_size))
    init.terminal_size.ws_row = 0;
  if (creation->config.rows != 0) {
    init.terminal_size.ws_row = creation->config.rows;
    init.terminal_size.ws_col = creation->config.columns;
  }
  if (namespaces_prepare(spec, creation->joins, error) < 0)
    return -1;
  struct clone_args args = {.flags = namespaces_flags(spec), .exit_signal = SIGCHLD};
  int group = cgroup_v2_directory(&creation->cgroup);
  if (group >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)group;
  }
  pid_t pid = sys_clone3(&args);
  if (pid == 0)
    init_run(&init);
  if (pid < 0)
    return fail(error, STAGE_CLONE, errno, "clone3");
  creation->state.pid = pid;
  cleanup_fd_at(&creation->init_socket);
  cleanup_fd_at(&creation->gate);
  if (namespaces_restore(spec, error) < 0 || namespaces_map_ids(spec, pid, error) < 0)
    return -1;
  (void)!write_all(creation->launch.socket, "", 1);
  return 0;
}

static int create(struct creation *creation, const char *root, struct error *error) {
  const struct container_spec *spec = &creation->config.spec;
  if (make_state(creation, root, error) < 0 || namespaces_open(spec, creation->joins, error) < 0 ||
      oci_cgroup_create(&creation->cgroup, &creation->found, spec, error) < 0)
    return -1;
  creation->launch.console_socket = creation->console_socket;
  creation->launch.on_hooks = run_outer_hooks;
  creation->launch.context = creation;
  if (start_process(creation, error) < 0)
    return -1;
  creation->state.start_time = oci_start_time(creation->state.pid);
  /* Meanwhile it sets itself up. */
  if (oci_state_write(&creation->state, &creation->cgroup, error) < 0)
    return -1;
  if (oci_launch_wait(&creation->launch, error) < 0)
    return -1;
  return creation->pid_file == NULL ? 0 : oci_write_pid(creation->pid_file, creation->state.pid, error);
}

static void remove_groups(const struct cgroup *cgroup) {
  for (size_t i = 0; i < cgroup->count; i++) {
    if (cgroup->hierarchies[i].directory >= 0)
      oci_cgroup_remove(cgroup->hierarchies[i].path);
  }
}

/* Takes back whatever was made: the process, the groups, the state. */
static void undo(struct creation *creation) {
  if (creation->state.pid > 0) {
    kill(creation->state.pid, SIGKILL);
    while (waitpid(creation->state.pid, NULL, 0) < 0 && errno == EINTR)
      ;
  }
  remove_groups(&creation->cgroup);
  if (creation->state.created != NULL)
    oci_state_remove(&creation->state);
}

static void run_hooks(struct creation *creation, enum hook_kind kind, enum oci_status status) {
  struct error error;
  const struct hook_list *hooks = &creation->config.spec.hooks[kind];
  if (hooks->count == 0)
    return;
  cleanup_free char *text = oci_state_text(&creation->state, status, &creation->config);
  /* The specification wants these failures told and gone over. */
  if (text != NULL && hooks_run(hooks, text, &error) < 0)
    fprintf(stderr, "tsbuild-runtime: hook %s\n", error.detail);
}

static int finish(struct creation *creation, const char *root, struct error *error) {
  if (!creation->runs)
    return 0;
  if (oci_launch_started(&creation->launch, error) < 0) {
    undo(creation);
    return -1;
  }
  run_hooks(creation, HOOK_POSTSTART, OCI_RUNNING);
  if (creation->detached)
    return 0;
  /* Others may look at it and signal it while it runs. */
  cleanup_fd_at(&creation->state.directory);
  int status;
  if (oci_attend(creation->state.pid, creation->launch.master, &status, error) < 0)
    return -1;
  remove_groups(&creation->cgroup);
  struct oci_state again;
  struct error gone;
  if (oci_state_open(&again, root, creation->id, &gone) == 0)
    oci_state_remove(&again);
  oci_state_close(&again);
  run_hooks(creation, HOOK_POSTSTOP, OCI_STOPPED);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int create_main(bool runs, const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  /* Large, and zero already: what is not used shall not be touched. */
  static struct creation creation;
  creation.runs = runs;
  creation.gate = creation.init_socket = creation.launch.socket = creation.launch.master = -1;
  creation.state.directory = -1;
  if (read_options(&creation, argc, argv, error) < 0)
    return -1;
  if (runs)
    oci_block_signals();
  if (read_bundle(&creation, error) < 0)
    return -1;
  if (create(&creation, globals->root, error) < 0) {
    undo(&creation);
    return -1;
  }
  return finish(&creation, globals->root, error);
}

int oci_create_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  return create_main(false, globals, argc, argv, error);
}

int oci_run_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  return create_main(true, globals, argc, argv, error);
}
