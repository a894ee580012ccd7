#include "oci_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "io.h"
#include "json_write.h"
#include "oci.h"
#include "oci_cgroup.h"
#include "stage.h"
#include "state_pid.h"

#define STATE_FILE "state.json"
#define CONFIG_FILE "config.json"

static int make_root(const char *root) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s", root) >= (int)sizeof path)
    return -1;
  for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
    *slash = '\0';
    if (mkdir(path, 0711) < 0 && errno != EEXIST)
      return -1;
    *slash = '/';
  }
  return mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

static int lock(struct oci_state *state, struct error *error) {
  struct stat status;
  state->directory = open(state->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (state->directory < 0)
    return errno == ENOENT ? oci_usage(error, "container \"%s\" does not exist", state->id)
                           : fail(error, STAGE_SUPERVISOR, errno, "%s", state->path);
  while (flock(state->directory, LOCK_EX) < 0) {
    if (errno != EINTR)
      return fail(error, STAGE_SUPERVISOR, errno, "%s", state->path);
  }
  /* Whoever had the lock may have removed it. */
  if (fstat(state->directory, &status) < 0 || status.st_nlink == 0)
    return oci_usage(error, "container \"%s\" does not exist", state->id);
  return 0;
}

static int set_path(struct oci_state *state, const char *root, const char *id, struct error *error) {
  *state = (struct oci_state){.id = id, .directory = -1};
  if (snprintf(state->path, sizeof state->path, "%s/%s", root, id) >= (int)sizeof state->path)
    return fail(error, STAGE_SUPERVISOR, ENAMETOOLONG, "%s", root);
  return 0;
}

int oci_state_make(struct oci_state *state, const char *root, const char *id, struct error *error) {
  if (set_path(state, root, id, error) < 0)
    return -1;
  int code = mkdir(state->path, 0700) < 0 ? errno : 0;
  if (code == ENOENT)
    code = make_root(root) < 0 || mkdir(state->path, 0700) < 0 ? errno : 0;
  if (code == EEXIST)
    return oci_usage(error, "container with id \"%s\" exists already", id);
  if (code != 0)
    return fail(error, STAGE_SUPERVISOR, code, "%s", state->path);
  return lock(state, error);
}

static int read_state(struct oci_state *state, struct error *error) {
  cleanup_fd int fd = openat(state->directory, STATE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  const struct json *pid, *start_time, *bundle, *created;
  int64_t number;
  size_t size;
  /* One that is being made, or whose maker was killed. */
  if (fd < 0 && errno == ENOENT)
    return 0;
  if (fd < 0 || read_to_end(fd, JSON_SIZE_MAX, (uint8_t **)&state->text, &size) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "%s/" STATE_FILE, state->path);
  if (json_parse(&state->document, state->text, size) < 0)
    return oci_usage(error, "%s/" STATE_FILE ": %s", state->path, state->document.why);
  pid = json_get(state->document.root, "pid");
  start_time = json_get(state->document.root, "startTime");
  bundle = json_get(state->document.root, "bundle");
  created = json_get(state->document.root, "created");
  state->cgroups = json_get(state->document.root, "cgroups");
  if (pid == NULL || !json_integer(pid, &number) || start_time == NULL ||
      !json_unsigned(start_time, &state->start_time) || bundle == NULL || bundle->kind != JSON_STRING ||
      created == NULL || created->kind != JSON_STRING)
    return oci_usage(error, "%s/" STATE_FILE " is not a state", state->path);
  state->pid = (pid_t)number;
  state->bundle = bundle->text;
  state->created = created->text;
  return 0;
}

int oci_state_open(struct oci_state *state, const char *root, const char *id, struct error *error) {
  if (set_path(state, root, id, error) < 0 || lock(state, error) < 0)
    return -1;
  return read_state(state, error);
}

void oci_state_close(struct oci_state *state) {
  cleanup_fd_at(&state->directory);
  json_free(&state->document);
  free(state->text);
  state->text = NULL;
}

static int write_whole(const struct oci_state *state, const char *name, const char *text, size_t size,
                       struct error *error) {
  char temporary[64];
  snprintf(temporary, sizeof temporary, ".%s", name);
  cleanup_fd int fd = openat(state->directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 || write_all(fd, text, size) < 0 || renameat(state->directory, temporary, state->directory, name) < 0)
    return fail(error, STAGE_SUPERVISOR, errno, "%s/%s", state->path, name);
  return 0;
}

int oci_state_write(const struct oci_state *state, const struct cgroup *cgroup, struct error *error) {
  cleanup_free char *text = NULL;
  size_t size;
  bool first = true;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL)
    return fail(error, STAGE_SUPERVISOR, errno, "memory");
  fprintf(out, "{\"ociVersion\":\"" OCI_VERSION "\",\"id\":");
  json_write_string(out, state->id);
  fprintf(out, ",\"pid\":%d,\"startTime\":%" PRIu64 ",\"bundle\":", (int)state->pid, state->start_time);
  json_write_string(out, state->bundle);
  fprintf(out, ",\"created\":");
  json_write_string(out, state->created);
  fprintf(out, ",\"cgroups\":[");
  for (size_t i = 0; i < cgroup->count; i++) {
    if (cgroup->hierarchies[i].directory < 0)
      continue;
    fputs(first ? "" : ",", out);
    json_write_string(out, cgroup->hierarchies[i].path);
    first = false;
  }
  fputs("]}\n", out);
  if (fclose(out) != 0)
    return fail(error, STAGE_SUPERVISOR, errno, "memory");
  return write_whole(state, STATE_FILE, text, size, error);
}

/* The bundle's own may be changed or removed while the container is there. */
int oci_state_keep_config(const struct oci_state *state, const struct oci_config *config, struct error *error) {
  cleanup_free char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL)
    return fail(error, STAGE_SUPERVISOR, errno, "memory");
  json_write(out, config->document.root);
  if (fclose(out) != 0)
    return fail(error, STAGE_SUPERVISOR, errno, "memory");
  return write_whole(state, CONFIG_FILE, text, size, error);
}

int oci_state_read_config(const struct oci_state *state, struct oci_config *config, struct error *error) {
  char path[PATH_MAX + sizeof CONFIG_FILE + 1];
  snprintf(path, sizeof path, "%s/" CONFIG_FILE, state->path);
  return oci_config_read(config, path, state->bundle == NULL ? "" : state->bundle, error);
}

void oci_state_remove(const struct oci_state *state) {
  static const char *const files[] = {STATE_FILE, "." STATE_FILE, CONFIG_FILE, "." CONFIG_FILE, OCI_FIFO};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    unlinkat(state->directory, files[i], 0);
  rmdir(state->path);
}

uint64_t oci_start_time(pid_t pid) {
  char path[64], text[1024], status;
  unsigned long long start;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read_all(fd, text, sizeof text - 1);
  if (size <= 0)
    return 0;
  text[size] = '\0';
  /* The name may hold anything. Fields 3 and 22 of proc(5). */
  const char *end = strrchr(text, ')');
  if (end == NULL || sscanf(end + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                            &status, &start) != 2)
    return 0;
  return status == 'Z' || status == 'X' ? 0 : start;
}

enum oci_status oci_state_status(const struct oci_state *state) {
  if (state->pid == 0)
    return OCI_CREATING;
  if (state->start_time == 0 || oci_start_time(state->pid) != state->start_time)
    return OCI_STOPPED;
  if (oci_cgroup_is_frozen(state->cgroups))
    return OCI_PAUSED;
  return faccessat(state->directory, OCI_FIFO, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? OCI_CREATED : OCI_RUNNING;
}

const char *oci_status_name(enum oci_status status) {
  static const char *const names[] = {"creating", "created", "running", "stopped", "paused"};
  return names[status];
}

char *oci_state_text(const struct oci_state *state, enum oci_status status, const struct oci_config *config) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL)
    return NULL;
  const struct json *annotations = json_get(config->document.root, "annotations");
  fprintf(out, "{\"ociVersion\":\"" OCI_VERSION "\",\"id\":");
  json_write_string(out, state->id);
  fprintf(out, ",\"status\":\"%s\"," STATE_PID, oci_status_name(status));
  fprintf(out, ",\"bundle\":");
  json_write_string(out, state->bundle);
  fprintf(out, ",\"rootfs\":");
  json_write_string(out, config->spec.rootfs_directory);
  fprintf(out, ",\"created\":");
  json_write_string(out, state->created);
  fprintf(out, ",\"annotations\":");
  if (annotations != NULL)
    json_write(out, annotations);
  else
    fputs("{}", out);
  fputs(",\"owner\":\"\"}\n", out);
  if (fclose(out) != 0)
    return NULL;
  if (status == OCI_STOPPED || state->pid != 0)
    state_set_pid(text, status == OCI_STOPPED ? 0 : state->pid);
  return text;
}
