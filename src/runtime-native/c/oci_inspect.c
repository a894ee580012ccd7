/* `state`, `list`, `ps` and `features`: what there is to know. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "io.h"
#include "json_write.h"
#include "oci.h"
#include "oci_cgroup.h"
#include "oci_state.h"
#include "stage.h"

static int flush(struct error *error) {
  return fflush(stdout) == 0 ? 0 : fail(error, STAGE_SUPERVISOR, errno, "output");
}

static int print_state(const struct oci_state *state, struct error *error) {
  static struct oci_config config;
  int result = oci_state_read_config(state, &config, error);
  cleanup_free char *text = result < 0 ? NULL : oci_state_text(state, oci_state_status(state), &config);
  if (result == 0 && text == NULL)
    result = fail(error, STAGE_SUPERVISOR, ENOMEM, "state");
  if (result == 0)
    fputs(text, stdout);
  oci_config_free(&config);
  return result < 0 ? -1 : flush(error);
}

int oci_state_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  const struct oci_option options[] = {{0}};
  struct oci_state state = {.directory = -1};
  const char *id;
  int at;
  if (oci_options(options, argc, argv, &at, error) < 0 || oci_only_id(argc, argv, at, &id, error) < 0)
    return -1;
  int result = oci_state_open(&state, globals->root, id, error);
  if (result == 0 && state.pid == 0)
    result = oci_usage(error, "container \"%s\" was not created whole: delete it with --force", id);
  if (result == 0)
    result = print_state(&state, error);
  oci_state_close(&state);
  return result;
}

static void list_one(const struct oci_state *state, bool json, bool quiet, bool first) {
  const enum oci_status status = oci_state_status(state);
  const int pid = status == OCI_STOPPED ? 0 : (int)state->pid;
  const char *bundle = state->bundle == NULL ? "" : state->bundle, *created = state->created == NULL ? "" : state->created;
  if (quiet) {
    printf("%s\n", state->id);
  } else if (json) {
    printf("%s{\"ociVersion\":\"" OCI_VERSION "\",\"id\":", first ? "" : ",");
    json_write_string(stdout, state->id);
    printf(",\"pid\":%d,\"status\":\"%s\",\"bundle\":", pid, oci_status_name(status));
    json_write_string(stdout, bundle);
    printf(",\"created\":");
    json_write_string(stdout, created);
    printf(",\"owner\":\"\"}");
  } else {
    printf("%-24s %-10d %-10s %-30s %s\n", state->id, pid, oci_status_name(status), created, bundle);
  }
}

int oci_list_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  const char *format = "table";
  bool quiet = false, first = true;
  const struct oci_option options[] = {
      {.name = "format", .letter = 'f', .value = &format}, {.name = "quiet", .letter = 'q', .flag = &quiet}, {0}};
  int at;
  if (oci_options(options, argc, argv, &at, error) < 0)
    return -1;
  if (at != argc)
    return oci_usage(error, "\"list\" takes no argument");
  const bool json = strcmp(format, "json") == 0;
  if (!json && strcmp(format, "table") != 0)
    return oci_usage(error, "flag \"--format\" wants table or json");
  struct dirent **entries = NULL;
  int count = scandir(globals->root, &entries, NULL, alphasort);
  if (count < 0 && errno != ENOENT)
    return fail(error, STAGE_SUPERVISOR, errno, "%s", globals->root);
  if (json && !quiet)
    printf("[");
  else if (!quiet)
    printf("%-24s %-10s %-10s %-30s %s\n", "ID", "PID", "STATUS", "CREATED", "BUNDLE");
  for (int i = 0; i < count; i++) {
    struct oci_state state = {.directory = -1};
    struct error gone;
    if (entries[i]->d_name[0] != '.' && oci_state_open(&state, globals->root, entries[i]->d_name, &gone) == 0) {
      list_one(&state, json, quiet, first);
      first = false;
    }
    oci_state_close(&state);
    free(entries[i]);
  }
  free(entries);
  if (json && !quiet)
    printf("]\n");
  return flush(error);
}

struct listing {
  bool json;
  bool first;
};

static void print_process(void *context, pid_t pid) {
  struct listing *listing = context;
  char path[64], text[256] = "";
  if (listing->json) {
    printf("%s%d", listing->first ? "" : ",", (int)pid);
    listing->first = false;
    return;
  }
  snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? 0 : read_all(fd, text, sizeof text - 1);
  /* Arguments end in NUL. What would move the cursor is not printed. */
  for (ssize_t i = 0; i < size; i++) {
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
      text[i] = i + 1 < size ? ' ' : '\0';
  }
  printf("%-10d %s\n", (int)pid, text);
}

int oci_ps_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  const char *format = "table", *id;
  const struct oci_option options[] = {{.name = "format", .letter = 'f', .value = &format}, {0}};
  struct oci_state state = {.directory = -1};
  int at;
  if (oci_options(options, argc, argv, &at, error) < 0 || oci_only_id(argc, argv, at, &id, error) < 0)
    return -1;
  struct listing listing = {.json = strcmp(format, "json") == 0, .first = true};
  if (!listing.json && strcmp(format, "table") != 0)
    return oci_usage(error, "flag \"--format\" wants table or json");
  int result = oci_state_open(&state, globals->root, id, error);
  const struct json *group = result < 0 || state.cgroups == NULL ? NULL : state.cgroups->first;
  if (result == 0 && (group == NULL || group->kind != JSON_STRING))
    result = oci_usage(error, "container \"%s\" has no control group", id);
  if (result == 0) {
    printf("%s", listing.json ? "[" : "PID        COMMAND\n");
    oci_cgroup_each(group->text, print_process, &listing);
    printf("%s", listing.json ? "]\n" : "");
    result = flush(error);
  }
  oci_state_close(&state);
  return result;
}

int oci_features_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  (void)globals;
  (void)argv;
  if (argc != 1)
    return oci_usage(error, "\"features\" takes no argument");
  printf("{\"ociVersionMin\":\"1.0.0\",\"ociVersionMax\":\"" OCI_VERSION "\","
         "\"hooks\":[\"prestart\",\"createRuntime\",\"createContainer\",\"startContainer\",\"poststart\",\"poststop\"],"
         "\"mountOptions\":[\"atime\",\"bind\",\"defaults\",\"dev\",\"diratime\",\"exec\",\"noatime\",\"nodev\","
         "\"nodiratime\",\"noexec\",\"norelatime\",\"nostrictatime\",\"nosuid\",\"nosymfollow\",\"private\",\"ratime\","
         "\"rbind\",\"rdev\",\"rdiratime\",\"relatime\",\"rexec\",\"rnoatime\",\"rnodev\",\"rnodiratime\",\"rnoexec\","
         "\"rnorelatime\",\"rnostrictatime\",\"rnosuid\",\"rnosymfollow\",\"ro\",\"rprivate\",\"rrelatime\",\"rro\",\"rrw\","
         "\"rshared\",\"rslave\",\"rstrictatime\",\"rsuid\",\"rsymfollow\",\"runbindable\",\"rw\",\"shared\",\"slave\","
         "\"strictatime\",\"suid\",\"symfollow\",\"unbindable\"],"
         "\"linux\":{\"namespaces\":[\"cgroup\",\"ipc\",\"mount\",\"network\",\"pid\",\"time\",\"user\",\"uts\"],"
         "\"cgroup\":{\"v1\":true,\"v2\":true,\"systemd\":false,\"systemdUser\":false,\"rdma\":false},"
         "\"seccomp\":{\"enabled\":true,\"actions\":[\"SCMP_ACT_ALLOW\",\"SCMP_ACT_ERRNO\",\"SCMP_ACT_KILL\","
         "\"SCMP_ACT_KILL_PROCESS\",\"SCMP_ACT_KILL_THREAD\",\"SCMP_ACT_LOG\",\"SCMP_ACT_TRACE\",\"SCMP_ACT_TRAP\"],"
         "\"operators\":[\"SCMP_CMP_EQ\",\"SCMP_CMP_GE\",\"SCMP_CMP_GT\",\"SCMP_CMP_LE\",\"SCMP_CMP_LT\","
         "\"SCMP_CMP_MASKED_EQ\",\"SCMP_CMP_NE\"],\"archs\":[");
  for (size_t i = 0; i < seccomp_table_count; i++)
    printf("%s\"%s\"", i == 0 ? "" : ",", seccomp_tables[i]->scmp_name);
  printf("],\"knownFlags\":[\"SECCOMP_FILTER_FLAG_TSYNC\",\"SECCOMP_FILTER_FLAG_LOG\","
         "\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],\"supportedFlags\":[\"SECCOMP_FILTER_FLAG_TSYNC\","
         "\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]},"
         "\"apparmor\":{\"enabled\":false},\"selinux\":{\"enabled\":false},\"intelRdt\":{\"enabled\":false},"
         "\"mountExtensions\":{\"idmap\":{\"enabled\":false}}},\"annotations\":{}}\n");
  return flush(error);
}
