/* linux of a config.json, but for devices, resources and the filter; see oci_config.h. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

#include "oci_config.h"
#include "oci_read.h"
#include "syscalls.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
  const char *name;
  uint64_t type;
} namespace_types[] = {{"mount", CLONE_NEWNS},     {"pid", CLONE_NEWPID}, {"network", CLONE_NEWNET},
                       {"ipc", CLONE_NEWIPC},      {"uts", CLONE_NEWUTS}, {"user", CLONE_NEWUSER},
                       {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME}};

static int read_namespace(const struct json *item, struct container_spec *spec, uint64_t *seen, struct error *error) {
  const char *name = NULL, *path = NULL;
  uint64_t type = 0;
  if (oci_string(item, "type", &name, error) < 0 || oci_absolute(item, "path", &path, error) < 0)
    return -1;
  if (name == NULL)
    return oci_missing(error, item, "type");
  for (size_t i = 0; i < OCI_COUNT(namespace_types); i++) {
    if (strcmp(name, namespace_types[i].name) == 0)
      type = namespace_types[i].type;
  }
  if (type == 0)
    return oci_reject(error, json_get(item, "type"), "\"%s\" is not a namespace", name);
  if (*seen & type)
    return oci_reject(error, item, "names \"%s\" again", name);
  *seen |= type;
  if (path == NULL) {
    spec->namespaces |= type;
    return 0;
  }
  if (type == CLONE_NEWNS || type == CLONE_NEWUSER)
    return oci_reject(error, json_get(item, "path"), "joining a %s namespace is not supported", name);
  spec->joins[spec->join_count++] = (struct namespace_join){type, path};
  return 0;
}

static int read_namespaces(const struct json *part, struct container_spec *spec, struct error *error) {
  const struct json *list;
  uint64_t seen = 0;
  if (oci_array(part, "namespaces", &list, error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    if (read_namespace(item, spec, &seen, error) < 0)
      return -1;
  }
  if ((spec->namespaces & CLONE_NEWNS) == 0)
    return fail(error, 1, 0, "linux.namespaces: a container without a new mount namespace is not supported");
  return 0;
}

static int read_map(const struct json *part, const char *name, struct container_spec *spec, struct id_map **maps,
                    size_t *count, struct error *error) {
  const struct json *list;
  size_t items = 0;
  if (oci_array(part, name, &list, error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next)
    items++;
  *maps = spec_allocate(spec, items * sizeof **maps);
  if (*maps == NULL)
    return fail(error, 1, 0, "linux.%s: does not fit into memory", name);
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    struct id_map *map = &(*maps)[(*count)++];
    if (oci_id(item, "containerID", &map->inside, error) < 0 || oci_id(item, "hostID", &map->outside, error) < 0 ||
        oci_id(item, "size", &map->count, error) < 0)
      return -1;
    if (map->count == 0)
      return oci_missing(error, item, "size");
  }
  if (*count > 0 && (spec->namespaces & CLONE_NEWUSER) == 0)
    return oci_reject(error, list, "needs a new user namespace");
  if (*count == 0 && (spec->namespaces & CLONE_NEWUSER) != 0)
    return oci_missing(error, part, name);
  return 0;
}

/* Only what belongs to a namespace of the container: anything else would change the host. */
static bool is_namespaced(const char *name, const struct container_spec *spec) {
  static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                    "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
  uint64_t own = spec->namespaces;
  for (size_t i = 0; i < spec->join_count; i++)
    own |= spec->joins[i].type;
  if (strncmp(name, "net.", 4) == 0 || strncmp(name, "net/", 4) == 0)
    return (own & CLONE_NEWNET) != 0;
  if (strncmp(name, "fs.mqueue.", 10) == 0)
    return (own & CLONE_NEWIPC) != 0;
  if (strcmp(name, "kernel.domainname") == 0)
    return (own & CLONE_NEWUTS) != 0;
  for (size_t i = 0; i < OCI_COUNT(ipc); i++) {
    if (strcmp(name, ipc[i]) == 0)
      return (own & CLONE_NEWIPC) != 0;
  }
  return false;
}

static int read_sysctls(const struct json *part, struct container_spec *spec, struct error *error) {
  const struct json *map;
  size_t count = 0;
  if (oci_object(part, "sysctl", &map, error) < 0)
    return -1;
  for (const struct json *item = map == NULL ? NULL : map->first; item != NULL; item = item->next)
    count++;
  spec->sysctls = spec_allocate(spec, count * sizeof *spec->sysctls);
  for (const struct json *item = map == NULL ? NULL : map->first; item != NULL; item = item->next) {
    const char *value = oci_item(item, error);
    char *path = spec_allocate(spec, strlen(item->name) + 1);
    if (value == NULL)
      return -1;
    if (path == NULL || spec->sysctls == NULL)
      return oci_reject(error, item, "does not fit into memory");
    if (!is_namespaced(item->name, spec) || strstr(item->name, "..") != NULL)
      return oci_reject(error, item, "is not a parameter of a namespace of the container");
    /* As sysctl(8) writes them: with slashes the dots are part of names. */
    strcpy(path, item->name);
    for (char *at = path; strchr(item->name, '/') == NULL && *at != '\0'; at++) {
      if (*at == '.')
        *at = '/';
    }
    spec->sysctls[spec->sysctl_count++] = (struct sysctl_spec){path, value};
  }
  return 0;
}

static int read_clocks(const struct json *part, struct container_spec *spec, struct error *error) {
  static const char *const clocks[] = {"monotonic", "boottime"};
  const struct json *offsets, *offset;
  if (oci_object(part, "timeOffsets", &offsets, error) < 0)
    return -1;
  for (const struct json *item = offsets == NULL ? NULL : offsets->first; item != NULL; item = item->next) {
    if (strcmp(item->name, clocks[0]) != 0 && strcmp(item->name, clocks[1]) != 0)
      return oci_reject(error, item, "is not a clock of a time namespace");
  }
  for (size_t i = 0; i < OCI_COUNT(clocks); i++) {
    int64_t seconds = 0, nanoseconds = 0;
    if (oci_object(offsets, clocks[i], &offset, error) < 0)
      return -1;
    if (offset == NULL)
      continue;
    if (oci_number(offset, "secs", INT64_MIN, INT64_MAX, &seconds, error) < 0 ||
        oci_number(offset, "nanosecs", 0, 999999999, &nanoseconds, error) < 0)
      return -1;
    if ((spec->namespaces & CLONE_NEWTIME) == 0)
      return oci_reject(error, offset, "needs a new time namespace");
    spec->clock_offsets[spec->clock_offset_count++] =
        (struct clock_offset){clocks[i], seconds, (uint32_t)nanoseconds};
  }
  return 0;
}

static int read_personality(const struct json *part, struct container_spec *spec, struct error *error) {
  static const char *const unsupported[] = {"flags"};
  const struct json *wanted;
  const char *domain = NULL;
  if (oci_object(part, "personality", &wanted, error) < 0 ||
      oci_unsupported(wanted, unsupported, OCI_COUNT(unsupported), error) < 0 ||
      oci_string(wanted, "domain", &domain, error) < 0)
    return -1;
  if (wanted == NULL)
    return 0;
  if (domain == NULL)
    return oci_missing(error, wanted, "domain");
  if (strcmp(domain, "LINUX") != 0 && strcmp(domain, "LINUX32") != 0)
    return oci_reject(error, json_get(wanted, "domain"), "is neither LINUX nor LINUX32");
  spec->has_personality = true;
  spec->personality = strcmp(domain, "LINUX") == 0 ? PER_LINUX : PER_LINUX32;
  return 0;
}

static int read_paths(const struct json *part, const char *name, struct string_list *out, struct error *error) {
  if (oci_strings(part, name, out, error) < 0)
    return -1;
  for (size_t i = 0; i < out->count; i++) {
    if (out->items[i][0] != '/')
      return oci_reject(error, json_get(part, name), "\"%s\" is not an absolute path", out->items[i]);
  }
  return 0;
}

int oci_linux(const struct json *part, struct container_spec *spec, struct error *error) {
  static const char *const unsupported[] = {"mountLabel", "intelRdt", "netDevices", "memoryPolicy"};
  const struct json *seccomp;
  const char *propagation = NULL;
  if (oci_unsupported(part, unsupported, OCI_COUNT(unsupported), error) < 0 ||
      read_namespaces(part, spec, error) < 0 ||
      read_map(part, "uidMappings", spec, &spec->uid_maps, &spec->uid_map_count, error) < 0 ||
      read_map(part, "gidMappings", spec, &spec->gid_maps, &spec->gid_map_count, error) < 0 ||
      read_sysctls(part, spec, error) < 0 || read_clocks(part, spec, error) < 0 ||
      read_personality(part, spec, error) < 0 ||
      read_paths(part, "maskedPaths", &spec->masked_paths, error) < 0 ||
      read_paths(part, "readonlyPaths", &spec->readonly_paths, error) < 0 ||
      oci_string(part, "cgroupsPath", &spec->cgroup_path, error) < 0 ||
      oci_string(part, "rootfsPropagation", &propagation, error) < 0 ||
      oci_object(part, "seccomp", &seccomp, error) < 0)
    return -1;
  if (propagation != NULL && propagation[0] != '\0' && (spec->root_propagation = oci_propagation(propagation)) == 0)
    return oci_reject(error, json_get(part, "rootfsPropagation"), "\"%s\" is not a propagation", propagation);
  return seccomp == NULL ? 0 : oci_seccomp(seccomp, spec, error);
}
