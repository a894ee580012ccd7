/* `pause`, `resume` and `update`: a container that runs, as it goes on. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup_kill.h"
#include "cleanup.h"
#include "io.h"
#include "json_write.h"
#include "oci.h"
#include "oci_cgroup.h"
#include "oci_config.h"
#include "oci_read.h"
#include "oci_state.h"
#include "stage.h"

/* The container's groups, when it is in one of two states; the state stays open. */
static int open_in(const struct oci_globals *globals, const char *id, const char *what, enum oci_status one,
                   enum oci_status other, struct oci_state *state, struct cgroup *cgroup, struct error *error) {
  if (oci_state_open(state, globals->root, id, error) < 0)
    return -1;
  const enum oci_status status = oci_state_status(state);
  if (status != one && status != other)
    return oci_usage(error, "cannot %s container \"%s\": it is %s", what, id, oci_status_name(status));
  return oci_cgroup_open(cgroup, state->cgroups, error);
}

static int change(const struct oci_globals *globals, int argc, char **argv, bool pauses, struct error *error) {
  static struct cgroup cgroup;
  const struct oci_option options[] = {{0}};
  struct oci_state state = {.directory = -1};
  const char *id;
  int at;
  if (oci_options(options, argc, argv, &at, error) < 0 || oci_only_id(argc, argv, at, &id, error) < 0)
    return -1;
  int result = pauses ? open_in(globals, id, "pause", OCI_RUNNING, OCI_CREATED, &state, &cgroup, error)
                      : open_in(globals, id, "resume", OCI_PAUSED, OCI_PAUSED, &state, &cgroup, error);
  if (result == 0)
    result = pauses ? cgroup_freeze(&cgroup, error) : cgroup_thaw(&cgroup, error);
  oci_cgroup_close(&cgroup);
  oci_state_close(&state);
  return result;
}

int oci_pause_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  return change(globals, argc, argv, true, error);
}

int oci_resume_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  return change(globals, argc, argv, false, error);
}

/* A flag, and the member of linux.resources that it stands for. */
static const struct limit_flag {
  const char *name;
  const char *part;
  const char *member;
  enum { LIMIT_NUMBER, LIMIT_SIZE, LIMIT_LIST } kind;
} flags[] = {
    {"memory", "memory", "limit", LIMIT_SIZE},
    {"memory-reservation", "memory", "reservation", LIMIT_SIZE},
    {"memory-swap", "memory", "swap", LIMIT_SIZE},
    {"cpu-period", "cpu", "period", LIMIT_NUMBER},
    {"cpu-quota", "cpu", "quota", LIMIT_NUMBER},
    {"cpu-share", "cpu", "shares", LIMIT_NUMBER},
    {"cpuset-cpus", "cpu", "cpus", LIMIT_LIST},
    {"cpuset-mems", "cpu", "mems", LIMIT_LIST},
    {"pids-limit", "pids", "limit", LIMIT_NUMBER},
};
#define FLAGS OCI_COUNT(flags)

/* A number, of bytes perhaps with a unit. */
static int read_amount(const struct limit_flag *flag, const char *text, int64_t *out, struct error *error) {
  static const char units[] = "bkmgt";
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  const char *unit = flag->kind == LIMIT_SIZE && *end != '\0' ? strchr(units, tolower((unsigned char)*end)) : NULL;
  if (unit != NULL)
    end++;
  const int shift = unit == NULL ? 0 : (int)(unit - units) * 10;
  if (text[0] == '\0' || *end != '\0' || errno != 0 || number < -1 || number > INT64_MAX >> shift)
    return oci_usage(error, "flag \"--%s\" wants a number, not \"%s\"", flag->name, text);
  *out = number < 0 ? -1 : number << shift;
  return 0;
}

/* The flags as the JSON of a linux.resources, in memory that the caller frees; NULL with `error` filled. */
static char *write_resources(const char *const *values, struct error *error) {
  static const char *const parts[] = {"memory", "cpu", "pids"};
  char *text = NULL;
  size_t size;
  int result = 0;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) {
    fail(error, STAGE_SUPERVISOR, errno, "memory");
    return NULL;
  }
  for (size_t part = 0; part < OCI_COUNT(parts); part++) {
    const char *separator = "";
    fprintf(out, "%s\"%s\":{", part == 0 ? "{" : ",", parts[part]);
    for (size_t i = 0; i < FLAGS && result == 0; i++) {
      int64_t number = 0;
      if (values[i] == NULL || strcmp(flags[i].part, parts[part]) != 0)
        continue;
      fprintf(out, "%s\"%s\":", separator, flags[i].member);
      separator = ",";
      if (flags[i].kind == LIMIT_LIST)
        json_write_string(out, values[i]);
      else if ((result = read_amount(&flags[i], values[i], &number, error)) == 0)
        fprintf(out, "%" PRId64, number);
    }
    fputc('}', out);
  }
  fputc('}', out);
  if (fclose(out) != 0 && result == 0)
    result = fail(error, STAGE_SUPERVISOR, ENOMEM, "memory");
  if (result == 0)
    return text;
  free(text);
  return NULL;
}

static char *read_resources(const char *path, struct error *error) {
  cleanup_fd int fd = strcmp(path, "-") == 0 ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
  char *text = NULL;
  size_t size;
  if (fd >= 0 && read_to_end(fd, JSON_SIZE_MAX, (uint8_t **)&text, &size) == 0)
    return text;
  fail(error, STAGE_SPEC, errno, "%s", path);
  return NULL;
}

/* The rules for devices stay as they are, so they may not be among what shall change. */
static int apply(const struct cgroup *cgroup, struct json_document *document, char *text, struct error *error) {
  static const char *const fixed[] = {"devices"};
  struct container_spec spec = {0};
  if (json_parse(document, text, strlen(text)) < 0)
    return fail(error, STAGE_SPEC, 0, "resources: %s at byte %zu", document->why, document->at);
  if (document->root->kind != JSON_OBJECT)
    return fail(error, STAGE_SPEC, 0, "resources is not an object");
  int result = oci_unsupported(document->root, fixed, OCI_COUNT(fixed), error);
  if (result == 0)
    result = oci_limits(document->root, cgroup->version, &spec, error);
  if (result == 0)
    result = oci_cgroup_apply(cgroup, &spec, error);
  spec_free(&spec);
  return result;
}

int oci_update_main(const struct oci_globals *globals, int argc, char **argv, struct error *error) {
  static struct cgroup cgroup;
  const char *values[FLAGS] = {NULL}, *file = NULL, *id;
  struct oci_option options[FLAGS + 2] = {{.name = "resources", .letter = 'r', .value = &file}};
  struct oci_state state = {.directory = -1};
  struct json_document document = {0};
  int at;
  for (size_t i = 0; i < FLAGS; i++)
    options[i + 1] = (struct oci_option){.name = flags[i].name, .value = &values[i]};
  if (oci_options(options, argc, argv, &at, error) < 0 || oci_only_id(argc, argv, at, &id, error) < 0)
    return -1;
  cleanup_free char *text = file != NULL ? read_resources(file, error) : write_resources(values, error);
  if (text == NULL)
    return -1;
  int result = oci_state_open(&state, globals->root, id, error);
  if (result == 0 && oci_state_status(&state) == OCI_STOPPED)
    result = oci_usage(error, "cannot update container \"%s\": it is stopped", id);
  if (result == 0)
    result = oci_cgroup_open(&cgroup, state.cgroups, error);
  if (result == 0)
    result = apply(&cgroup, &document, text, error);
  json_free(&document);
  oci_cgroup_close(&cgroup);
  oci_state_close(&state);
  return result;
}
