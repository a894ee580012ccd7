/* linux.devices and linux.resources.devices of a config.json; see oci_config.h. */
#include <string.h>
#include <sys/stat.h>

#include "oci_config.h"
#include "oci_read.h"

/* What every container has, by the specification; the rules are those that it needs, the console and its terminals among them. */
static const struct device_spec standard[] = {
    {"/dev/null", S_IFCHR | 0666, 1, 3, 0, 0, false},   {"/dev/zero", S_IFCHR | 0666, 1, 5, 0, 0, false},
    {"/dev/full", S_IFCHR | 0666, 1, 7, 0, 0, false},   {"/dev/random", S_IFCHR | 0666, 1, 8, 0, 0, false},
    {"/dev/urandom", S_IFCHR | 0666, 1, 9, 0, 0, false}, {"/dev/tty", S_IFCHR | 0666, 5, 0, 0, 0, false},
};
#define USE (DEVICE_MKNOD | DEVICE_READ | DEVICE_WRITE)
static const struct device_rule standard_rules[] = {
    {true, 'c', -1, -1, DEVICE_MKNOD}, {true, 'b', -1, -1, DEVICE_MKNOD}, {true, 'c', 1, 3, USE}, {true, 'c', 1, 5, USE},
    {true, 'c', 1, 7, USE},            {true, 'c', 1, 8, USE},            {true, 'c', 1, 9, USE}, {true, 'c', 5, 0, USE},
    {true, 'c', 5, 2, USE},            {true, 'c', 136, -1, USE},
};

static int read_node(const struct json *item, struct device_spec *node, struct error *error) {
  const char *type = NULL;
  int64_t mode = 0666, major = 0, minor = 0;
  if (oci_absolute(item, "path", &node->path, error) < 0 || oci_string(item, "type", &type, error) < 0 ||
      oci_number(item, "fileMode", 0, 07777 | S_IFMT, &mode, error) < 0 ||
      oci_number(item, "major", 0, 4095, &major, error) < 0 ||
      oci_number(item, "minor", 0, 1048575, &minor, error) < 0 || oci_id(item, "uid", &node->uid, error) < 0 ||
      oci_id(item, "gid", &node->gid, error) < 0)
    return -1;
  if (node->path == NULL)
    return oci_missing(error, item, "path");
  if (strncmp(node->path, "/dev/", 5) != 0 || strstr(node->path, "/..") != NULL || strstr(node->path, "//") != NULL)
    return oci_reject(error, json_get(item, "path"), "is not below /dev, which alone is supported");
  if (type == NULL)
    return oci_missing(error, item, "type");
  const mode_t kind = strcmp(type, "c") == 0 || strcmp(type, "u") == 0 ? S_IFCHR
                      : strcmp(type, "b") == 0                         ? S_IFBLK
                      : strcmp(type, "p") == 0                         ? S_IFIFO
                                                                       : 0;
  if (kind == 0)
    return oci_reject(error, json_get(item, "type"), "is none of c, b, u and p");
  node->mode = kind | ((mode_t)mode & 07777);
  node->major = (unsigned)major;
  node->minor = (unsigned)minor;
  return 0;
}

int oci_devices(const struct json *part, struct container_spec *spec, struct error *error) {
  const struct json *list;
  size_t count = 0;
  if (oci_array(part, "devices", &list, error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next)
    count++;
  spec->devices = spec_allocate(spec, (count + OCI_COUNT(standard)) * sizeof *spec->devices);
  if (spec->devices == NULL)
    return fail(error, 1, 0, "linux.devices: does not fit into memory");
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    if (read_node(item, &spec->devices[spec->device_count++], error) < 0)
      return -1;
  }
  for (size_t i = 0; i < OCI_COUNT(standard); i++) {
    bool given = false;
    for (size_t j = 0; j < count && !given; j++)
      given = strcmp(spec->devices[j].path, standard[i].path) == 0;
    /* Masks need a null device that is one, whatever was asked for. */
    if (given && i == 0)
      spec->devices[spec->device_count] = spec->devices[0], spec->devices[0] = standard[0], spec->device_count++;
    else if (!given)
      spec->devices[spec->device_count++] = standard[i];
  }
  return 0;
}

static int read_rule(const struct json *item, struct device_rule *rule, struct error *error) {
  const char *type = "a", *access = "rwm";
  *rule = (struct device_rule){.major = -1, .minor = -1};
  if (oci_bool(item, "allow", &rule->allow, error) < 0 || oci_string(item, "type", &type, error) < 0 ||
      oci_number(item, "major", -1, 4095, &rule->major, error) < 0 ||
      oci_number(item, "minor", -1, 1048575, &rule->minor, error) < 0 ||
      oci_string(item, "access", &access, error) < 0)
    return -1;
  if (json_get(item, "allow") == NULL)
    return oci_missing(error, item, "allow");
  if (type[0] == '\0')
    type = "a";
  if (strlen(type) != 1 || strchr("abcu", type[0]) == NULL)
    return oci_reject(error, json_get(item, "type"), "is none of a, b, c and u");
  rule->type = type[0] == 'u' ? 'c' : type[0];
  if (access[0] == '\0')
    access = "rwm";
  for (const char *at = access; *at != '\0'; at++) {
    if (strchr("rwm", *at) == NULL)
      return oci_reject(error, json_get(item, "access"), "has a letter that is none of r, w and m");
    rule->access |= *at == 'r' ? DEVICE_READ : *at == 'w' ? DEVICE_WRITE : DEVICE_MKNOD;
  }
  return 0;
}

int oci_device_rules(const struct json *resources, struct container_spec *spec, struct error *error) {
  const struct json *list;
  size_t count = 0;
  if (oci_array(resources, "devices", &list, error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next)
    count++;
  if (count > 1024)
    return oci_reject(error, list, "has more than 1024 items");
  if (count == 0)
    return 0;
  struct device_rule *rules = spec_allocate(spec, (count + OCI_COUNT(standard_rules)) * sizeof *rules);
  if (rules == NULL)
    return oci_reject(error, list, "does not fit into memory");
  count = 0;
  for (const struct json *item = list->first; item != NULL; item = item->next) {
    if (read_rule(item, &rules[count++], error) < 0)
      return -1;
  }
  /* What the standard devices need goes last, as with other runtimes, unless all is allowed anyway. */
  const struct device_rule *last = &rules[count - 1];
  if (!(last->allow && last->type == 'a' && last->major < 0 && last->minor < 0)) {
    memcpy(rules + count, standard_rules, sizeof standard_rules);
    count += OCI_COUNT(standard_rules);
  }
  spec->device_rules = rules;
  spec->device_rule_count = count;
  return 0;
}
