#include "oci_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "io.h"
#include "oci_read.h"
#include "stage.h"
#include "syscalls.h"

static int read_root(const struct json *top, const char *bundle, struct container_spec *spec, struct error *error) {
  const struct json *root;
  const char *path = NULL;
  if (oci_object(top, "root", &root, error) < 0)
    return -1;
  if (root == NULL)
    return oci_missing(error, top, "root");
  if (oci_string(root, "path", &path, error) < 0 || oci_bool(root, "readonly", &spec->readonly_rootfs, error) < 0)
    return -1;
  if (path == NULL || path[0] == '\0')
    return oci_missing(error, root, "path");
  spec->rootfs_directory = path[0] == '/' ? path : spec_format(spec, "%s/%s", bundle, path);
  return spec->rootfs_directory == NULL ? oci_reject(error, root, "does not fit into memory") : 0;
}

static int read_name(const struct json *top, const char *key, const char **name, struct error *error) {
  if (oci_string(top, key, name, error) < 0)
    return -1;
  if (*name != NULL && strlen(*name) > 64)
    return oci_reject(error, json_get(top, key), "is longer than 64 bytes");
  if (*name != NULL && (*name)[0] == '\0')
    *name = NULL;
  return 0;
}

static int read_hook(const struct json *item, struct hook *hook, struct error *error) {
  int64_t timeout = 0;
  if (item->kind != JSON_OBJECT)
    return oci_reject(error, item, "is not an object");
  if (oci_absolute(item, "path", &hook->path, error) < 0 || oci_strings(item, "args", &hook->args, error) < 0 ||
      oci_strings(item, "env", &hook->env, error) < 0 || oci_number(item, "timeout", 1, INT32_MAX, &timeout, error) < 0)
    return -1;
  hook->timeout_seconds = (unsigned)timeout;
  return hook->path == NULL ? oci_missing(error, item, "path") : 0;
}

static int read_hooks(const struct json *top, struct container_spec *spec, struct error *error) {
  static const char *const names[HOOK_KINDS] = {
      [HOOK_PRESTART] = "prestart",
      [HOOK_CREATE_RUNTIME] = "createRuntime",
      [HOOK_CREATE_CONTAINER] = "createContainer",
      [HOOK_START_CONTAINER] = "startContainer",
      [HOOK_POSTSTART] = "poststart",
      [HOOK_POSTSTOP] = "poststop",
  };
  const struct json *hooks, *list;
  if (oci_object(top, "hooks", &hooks, error) < 0)
    return -1;
  for (size_t kind = 0; kind < HOOK_KINDS; kind++) {
    size_t count = 0;
    if (oci_array(hooks, names[kind], &list, error) < 0)
      return -1;
    for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next)
      count++;
    struct hook *items = count == 0 ? NULL : spec_allocate(spec, count * sizeof *items);
    if (count > 0 && items == NULL)
      return oci_reject(error, list, "does not fit into memory");
    spec->hooks[kind].items = items;
    for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
      if (read_hook(item, &items[spec->hooks[kind].count++], error) < 0)
        return -1;
    }
  }
  return 0;
}

static int read_annotations(const struct json *top, struct error *error) {
  const struct json *annotations;
  if (oci_object(top, "annotations", &annotations, error) < 0)
    return -1;
  for (const struct json *item = annotations == NULL ? NULL : annotations->first; item != NULL; item = item->next) {
    if (oci_item(item, error) == NULL)
      return -1;
  }
  return 0;
}

static int read_top(const struct json *top, const char *bundle, struct oci_config *config, struct error *error) {
  static const char *const other_platforms[] = {"vm", "windows", "solaris", "zos", "freebsd"};
  struct container_spec *spec = &config->spec;
  const struct json *process, *linux_part;
  const char *version = NULL;
  if (top->kind != JSON_OBJECT)
    return fail(error, STAGE_SPEC, 0, "config.json is not an object");
  if (oci_string(top, "ociVersion", &version, error) < 0)
    return -1;
  if (version == NULL)
    return oci_missing(error, top, "ociVersion");
  if (strncmp(version, "1.", 2) != 0)
    return oci_reject(error, json_get(top, "ociVersion"), "is not a version 1");
  if (oci_unsupported(top, other_platforms, OCI_COUNT(other_platforms), error) < 0 ||
      oci_object(top, "process", &process, error) < 0 || oci_object(top, "linux", &linux_part, error) < 0)
    return -1;
  if (linux_part == NULL)
    return oci_missing(error, top, "linux");
  spec->umask = 0022;
  if (read_root(top, bundle, spec, error) < 0 || read_name(top, "hostname", &spec->hostname, error) < 0 ||
      read_name(top, "domainname", &spec->domainname, error) < 0 || read_annotations(top, error) < 0 ||
      oci_mounts(top, bundle, spec, error) < 0 || oci_linux(linux_part, spec, error) < 0 ||
      oci_devices(linux_part, spec, error) < 0 || read_hooks(top, spec, error) < 0)
    return -1;
  if (spec->hostname != NULL && (spec->namespaces & CLONE_NEWUTS) == 0)
    return oci_reject(error, json_get(top, "hostname"), "needs a new uts namespace");
  if (spec->domainname != NULL && (spec->namespaces & CLONE_NEWUTS) == 0)
    return oci_reject(error, json_get(top, "domainname"), "needs a new uts namespace");
  return process == NULL ? oci_missing(error, top, "process") : oci_process(process, config, error);
}

static int read_document(struct oci_config *config, const char *path, struct error *error) {
  cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read_to_end(fd, JSON_SIZE_MAX, (uint8_t **)&config->text, &config->size) < 0)
    return fail(error, STAGE_SPEC, errno, "%s", path);
  if (json_parse(&config->document, config->text, config->size) < 0)
    return fail(error, STAGE_SPEC, 0, "%s: %s at byte %zu", path, config->document.why, config->document.at);
  return 0;
}

int oci_config_read(struct oci_config *config, const char *path, const char *bundle, struct error *error) {
  if (read_document(config, path, error) < 0)
    return -1;
  return read_top(config->document.root, bundle, config, error);
}

int oci_process_read(struct oci_config *config, const char *path, struct error *error) {
  if (read_document(config, path, error) < 0)
    return -1;
  if (config->document.root->kind != JSON_OBJECT)
    return fail(error, STAGE_SPEC, 0, "%s is not an object", path);
  return oci_process(config->document.root, config, error);
}

void oci_config_free(struct oci_config *config) {
  spec_free(&config->spec);
  json_free(&config->document);
  free(config->text);
  memset(config, 0, sizeof *config);
}
