/* process of a config.json; see oci_config.h. */
#include <stdlib.h>
#include <string.h>

#include "oci_config.h"
#include "oci_read.h"

static int read_set(const struct json *capabilities, const char *name, uint64_t *set, struct error *error) {
  const struct json *list;
  if (oci_array(capabilities, name, &list, error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    const char *word = oci_item(item, error);
    if (word == NULL)
      return -1;
    int number = oci_capability(word);
    if (number < 0)
      return oci_reject(error, item, "\"%s\" is not a capability", word);
    *set |= UINT64_C(1) << number;
  }
  return 0;
}

static int read_capabilities(const struct json *process, struct capability_sets *sets, struct error *error) {
  const struct json *capabilities;
  if (oci_object(process, "capabilities", &capabilities, error) < 0)
    return -1;
  *sets = (struct capability_sets){0};
  if (read_set(capabilities, "bounding", &sets->bounding, error) < 0 ||
      read_set(capabilities, "effective", &sets->effective, error) < 0 ||
      read_set(capabilities, "permitted", &sets->permitted, error) < 0 ||
      read_set(capabilities, "inheritable", &sets->inheritable, error) < 0)
    return -1;
  return read_set(capabilities, "ambient", &sets->ambient, error);
}

static int read_limit(const struct json *item, const char *name, uint64_t *out, struct error *error) {
  const struct json *value = json_get(item, name);
  if (value == NULL)
    return oci_missing(error, item, name);
  return json_unsigned(value, out) ? 0 : oci_reject(error, value, "is not a number");
}

static int read_rlimits(const struct json *process, struct container_spec *spec, struct error *error) {
  const struct json *list;
  if (oci_array(process, "rlimits", &list, error) < 0)
    return -1;
  spec->rlimit_count = 0;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    const char *type = NULL;
    if (oci_string(item, "type", &type, error) < 0)
      return -1;
    if (type == NULL)
      return oci_missing(error, item, "type");
    if (spec->rlimit_count == SPEC_RLIMITS_MAX)
      return oci_reject(error, item, "is one limit too many");
    struct rlimit_spec *limit = &spec->rlimits[spec->rlimit_count++];
    if ((limit->resource = oci_rlimit(type)) < 0)
      return oci_reject(error, json_get(item, "type"), "\"%s\" is not a limit", type);
    for (size_t i = 0; i + 1 < spec->rlimit_count; i++) {
      if (spec->rlimits[i].resource == limit->resource)
        return oci_reject(error, item, "sets \"%s\" again", type);
    }
    if (read_limit(item, "soft", &limit->soft, error) < 0 || read_limit(item, "hard", &limit->hard, error) < 0)
      return -1;
    if (limit->soft > limit->hard)
      return oci_reject(error, item, "has a soft limit above the hard one");
  }
  return 0;
}

static int read_user(const struct json *process, struct container_spec *spec, struct error *error) {
  const struct json *user, *list;
  uint32_t mask = spec->umask;
  size_t count = 0;
  if (oci_object(process, "user", &user, error) < 0 || oci_id(user, "uid", &spec->uid, error) < 0 ||
      oci_id(user, "gid", &spec->gid, error) < 0 || oci_id(user, "umask", &mask, error) < 0 ||
      oci_array(user, "additionalGids", &list, error) < 0)
    return -1;
  if (mask > 0777)
    return oci_reject(error, json_get(user, "umask"), "is more than 0777");
  spec->umask = mask;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next)
    count++;
  spec->groups = spec_allocate(spec, count * sizeof *spec->groups);
  spec->group_count = 0;
  if (spec->groups == NULL)
    return oci_reject(error, user, "does not fit into memory");
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    int64_t id;
    if (!json_integer(item, &id) || id < 0 || id > UINT32_MAX)
      return oci_reject(error, item, "is not a group id");
    spec->groups[spec->group_count++] = (gid_t)id;
  }
  return 0;
}

static int read_environment(const struct json *process, struct container_spec *spec, struct error *error) {
  if (oci_strings(process, "env", &spec->env, error) < 0)
    return -1;
  for (size_t i = 0; i < spec->env.count; i++) {
    if (spec->env.items[i][0] == '=' || strchr(spec->env.items[i], '=') == NULL)
      return oci_reject(error, json_get(process, "env"), "\"%s\" is not NAME=value", spec->env.items[i]);
  }
  return 0;
}

static int read_console_size(const struct json *process, struct oci_config *config, struct error *error) {
  const struct json *size;
  int64_t height = 0, width = 0;
  if (oci_object(process, "consoleSize", &size, error) < 0 ||
      oci_number(size, "height", 0, UINT16_MAX, &height, error) < 0 ||
      oci_number(size, "width", 0, UINT16_MAX, &width, error) < 0)
    return -1;
  config->rows = (unsigned short)height;
  config->columns = (unsigned short)width;
  return 0;
}

int oci_process(const struct json *process, struct oci_config *config, struct error *error) {
  static const char *const unsupported[] = {"apparmorProfile", "selinuxLabel", "scheduler",
                                            "ioPriority",      "commandLine",  "execCPUAffinity"};
  struct container_spec *spec = &config->spec;
  int64_t score = 0;
  if (oci_unsupported(process, unsupported, OCI_COUNT(unsupported), error) < 0 ||
      oci_strings(process, "args", &spec->args, error) < 0 || read_environment(process, spec, error) < 0 ||
      oci_absolute(process, "cwd", &spec->cwd, error) < 0 ||
      oci_bool(process, "terminal", &spec->terminal, error) < 0 ||
      oci_bool(process, "noNewPrivileges", &spec->no_new_privileges, error) < 0 ||
      oci_number(process, "oomScoreAdj", -1000, 1000, &score, error) < 0)
    return -1;
  if (spec->args.count == 0)
    return oci_missing(error, process, "args");
  if (spec->cwd == NULL)
    return oci_missing(error, process, "cwd");
  spec->has_oom_score = json_get(process, "oomScoreAdj") != NULL;
  spec->oom_score = (int)score;
  if (read_user(process, spec, error) < 0 || read_capabilities(process, &spec->capabilities, error) < 0 ||
      read_rlimits(process, spec, error) < 0)
    return -1;
  return read_console_size(process, config, error);
}
