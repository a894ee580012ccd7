/* `tsbuild-runtime oci ...`: an OCI runtime with the command line of runc. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "commands.h"
#include "io.h"
#include "json_write.h"
#include "oci.h"
#include "own_binary.h"
#include "stage.h"

static const struct {
  const char *name;
  int (*run)(const struct oci_globals *globals, int argc, char **argv, struct error *error);
  /* A process of this program becomes one of a container. */
  bool enters;
} commands[] = {
    {"create", oci_create_main, true}, {"run", oci_run_main, true},       {"start", oci_start_main, false},
    {"state", oci_state_main, false},  {"kill", oci_kill_main, false},    {"delete", oci_delete_main, false},
    {"exec", oci_exec_main, true},     {"list", oci_list_main, false},    {"ps", oci_ps_main, false},
    {"features", oci_features_main, false}, {"pause", oci_pause_main, false},  {"resume", oci_resume_main, false},
    {"update", oci_update_main, false}, {"events", oci_events_main, false},  {"spec", oci_spec_main, false},
};

/* What was being done, for the stages whose detail does not say it. */
static const char *doing(uint32_t stage) {
  switch (stage) {
  case STAGE_CGROUP:
    return "cannot set up control groups: ";
  case STAGE_ROOTFS:
    return "cannot mount the root: ";
  case STAGE_SOURCE:
    return "cannot open a mount's source: ";
  case STAGE_MOUNT:
    return "cannot mount: ";
  case STAGE_TARGET:
    return "cannot mount there: ";
  case STAGE_DEVICES:
    return "cannot make a device: ";
  case STAGE_MASK:
    return "cannot mask: ";
  case STAGE_HOSTNAME:
    return "cannot set the host name: ";
  case STAGE_RLIMIT:
    return "cannot set a limit: ";
  case STAGE_CWD:
    return "cannot enter the working directory: ";
  case STAGE_TERMINAL:
    return "cannot open a terminal: ";
  case STAGE_SECCOMP:
    return "cannot load the system call filter: ";
  case STAGE_CAPABILITIES:
    return "cannot set capabilities: ";
  case STAGE_IDENTITY:
    return "cannot become the user: ";
  case STAGE_LOOKUP:
    return "exec: not found in $PATH: ";
  case STAGE_EXEC:
    return "exec: ";
  case STAGE_HOOK:
    return "hook failed: ";
  case STAGE_SYSCTL:
    return "cannot set a kernel parameter: ";
  case STAGE_ISOLATION:
  case STAGE_CLONE:
    return "cannot set up namespaces: ";
  case STAGE_NETWORK:
    return "cannot set up the network: ";
  case STAGE_PIVOT:
    return "cannot enter the root: ";
  default:
    return "";
  }
}

/* The exit status that a command which cannot be run has in a shell. */
static int status_of(const struct error *error) {
  if (error->stage == STAGE_LOOKUP)
    return error->code == EACCES ? 126 : 127;
  if (error->stage == STAGE_EXEC)
    return error->code == ENOENT || error->code == ENOTDIR ? 127 : 126;
  return 1;
}

/* Where the caller's caller looks for what went wrong: lines that containerd and conmon read. */
static void write_log(const char *path, bool json, const char *message) {
  cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  cleanup_free char *text = NULL;
  size_t size;
  char when[OCI_TIME_SIZE];
  FILE *out = open_memstream(&text, &size);
  if (out == NULL)
    return;
  oci_time(when);
  fprintf(out, json ? "{\"level\":\"error\",\"time\":\"%s\",\"msg\":" : "time=\"%s\" level=error msg=", when);
  json_write_string(out, message);
  fprintf(out, json ? "}\n" : "\n");
  if (fclose(out) == 0 && fd >= 0)
    (void)!write_all(fd, text, size);
}

static const char *default_root(char *path, size_t size) {
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  if (geteuid() == 0 || runtime == NULL || runtime[0] != '/')
    return "/run/tsbuild/runtime";
  snprintf(path, size, "%s/tsbuild/runtime", runtime);
  return path;
}

/* `whole` are the arguments of this program from its name on. */
static int dispatch(const struct oci_globals *globals, int argc, char **argv, char **whole, struct error *error) {
  if (argc == 0)
    return oci_usage(error, "a command is missing");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(argv[0], commands[i].name) != 0)
      continue;
    if (commands[i].enters)
      own_binary_seal(OWN_BINARY_MOUNT, whole);
    return commands[i].run(globals, argc, argv, error);
  }
  return oci_usage(error, "unknown command \"%s\"", argv[0]);
}

bool oci_is_command(const char *word) {
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(word, commands[i].name) == 0)
      return true;
  }
  return strncmp(word, "--", 2) == 0;
}

int oci_main(int argc, char **argv) {
  static struct error error;
  const char *log = NULL, *log_format = "text", *rootless = "auto";
  bool systemd = false, debug = false;
  struct oci_globals globals = {.root = NULL};
  const struct oci_option options[] = {
      {.name = "root", .value = &globals.root},
      {.name = "log", .value = &log},
      {.name = "log-format", .value = &log_format},
      {.name = "rootless", .value = &rootless},
      {.name = "systemd-cgroup", .flag = &systemd},
      {.name = "debug", .flag = &debug},
      {0},
  };
  int at, result = oci_options(options, argc, argv, &at, &error);
  if (globals.root == NULL) {
    static char root_path[PATH_MAX];
    globals.root = default_root(root_path, sizeof root_path);
  }
  if (result == 0 && systemd)
    result = oci_usage(&error, "flag \"--systemd-cgroup\" is not supported: control groups are made as directories");
  if (result == 0 && strcmp(log_format, "text") != 0 && strcmp(log_format, "json") != 0)
    result = oci_usage(&error, "flag \"--log-format\" wants text or json");
  if (result == 0 && globals.root[0] != '/')
    result = oci_usage(&error, "flag \"--root\" wants an absolute path");
  if (result == 0)
    result = dispatch(&globals, argc - at, argv + at, argv - (strcmp(argv[0], "oci") == 0), &error);
  if (result >= 0)
    return result;
  char message[ERROR_DETAIL_MAX + 256];
  snprintf(message, sizeof message, "%s%s%s%s", doing(error.stage), error.detail, error.code == 0 ? "" : ": ",
           error.code == 0 ? "" : strerror(error.code));
  fprintf(stderr, "tsbuild-runtime: %s\n", message);
  /* cppcheck-suppress knownConditionTrueFalse ; oci_options sets it by its address */
  if (log != NULL && log[0] != '\0')
    write_log(log, strcmp(log_format, "json") == 0, message);
  return status_of(&error);
}
