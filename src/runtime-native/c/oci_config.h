/* A bundle's config.json (OCI runtime specification 1.2) as the description of a container. */
#ifndef TSBUILD_OCI_CONFIG_H
#define TSBUILD_OCI_CONFIG_H

#include "cgroup.h"
#include "json.h"
#include "spec.h"

struct oci_config {
  char *text;
  size_t size;
  struct json_document document;
  struct container_spec spec;
  /* Rows and columns that its terminal shall have; 0 for none. */
  unsigned short rows;
  unsigned short columns;
};

/* Reads and checks it whole; paths in it are relative to `bundle`, which is absolute. `config` must be zeroed. oci_config_free also after a failure. */
int oci_config_read(struct oci_config *config, const char *path, const char *bundle, struct error *error);
void oci_config_free(struct oci_config *config);

/* Reads a file that only has a process; for `exec`. Everything else of the description stays as it is. */
int oci_process_read(struct oci_config *config, const char *path, struct error *error);

/* What linux.resources is for the version of control groups here. */
int oci_resources(const struct oci_config *config, enum cgroup_version version, struct container_spec *spec,
                  struct error *error);

/* The same from a linux.resources alone, without its rules for devices. */
int oci_limits(const struct json *resources, enum cgroup_version version, struct container_spec *spec,
               struct error *error);

/* For oci_config.c: its parts. */
int oci_process(const struct json *process, struct oci_config *config, struct error *error);
int oci_mounts(const struct json *root, const char *bundle, struct container_spec *spec, struct error *error);
int oci_linux(const struct json *linux_part, struct container_spec *spec, struct error *error);
int oci_devices(const struct json *linux_part, struct container_spec *spec, struct error *error);
int oci_device_rules(const struct json *resources, struct container_spec *spec, struct error *error);
int oci_seccomp(const struct json *seccomp, struct container_spec *spec, struct error *error);

/* The number of a capability, CAP_CHOWN, or of a limit, RLIMIT_NOFILE; -1 for none. The words come without those beginnings, NULL for none. */
int oci_capability(const char *name);
const char *oci_capability_word(int number);
int oci_rlimit(const char *name);
const char *oci_rlimit_word(int resource);
/* The propagation that a word means, MS_*; 0 for none. */
unsigned long oci_propagation(const char *word);

#endif
