/* The words that a config.json has for numbers of the kernel. */
#include <string.h>
#include <sys/resource.h>

#include "oci_config.h"
#include "oci_read.h"

static const char *const capabilities[] = {
      "CHOWN",          "DAC_OVERRIDE",  "DAC_READ_SEARCH", "FOWNER",       "FSETID",     "KILL",
      "SETGID",         "SETUID",        "SETPCAP",         "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST",
      "NET_ADMIN",      "NET_RAW",       "IPC_LOCK",        "IPC_OWNER",    "SYS_MODULE", "SYS_RAWIO",
      "SYS_CHROOT",     "SYS_PTRACE",    "SYS_PACCT",       "SYS_ADMIN",    "SYS_BOOT",   "SYS_NICE",
      "SYS_RESOURCE",   "SYS_TIME",      "SYS_TTY_CONFIG",  "MKNOD",        "LEASE",      "AUDIT_WRITE",
      "AUDIT_CONTROL",  "SETFCAP",       "MAC_OVERRIDE",    "MAC_ADMIN",    "SYSLOG",     "WAKE_ALARM",
      "BLOCK_SUSPEND",  "AUDIT_READ",    "PERFMON",         "BPF",          "CHECKPOINT_RESTORE"};

int oci_capability(const char *name) {
  if (strncmp(name, "CAP_", 4) != 0)
    return -1;
  for (size_t i = 0; i < OCI_COUNT(capabilities); i++) {
    if (strcmp(name + 4, capabilities[i]) == 0)
      return (int)i;
  }
  return -1;
}

const char *oci_capability_word(int number) {
  return number < 0 || (size_t)number >= OCI_COUNT(capabilities) ? NULL : capabilities[number];
}

static const struct {
  const char *name;
  int resource;
} rlimits[] = {
    {"AS", RLIMIT_AS},           {"CORE", RLIMIT_CORE},         {"CPU", RLIMIT_CPU},
    {"DATA", RLIMIT_DATA},       {"FSIZE", RLIMIT_FSIZE},       {"LOCKS", RLIMIT_LOCKS},
    {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
    {"NOFILE", RLIMIT_NOFILE},   {"NPROC", RLIMIT_NPROC},       {"RSS", RLIMIT_RSS},
    {"RTPRIO", RLIMIT_RTPRIO},   {"RTTIME", RLIMIT_RTTIME},     {"SIGPENDING", RLIMIT_SIGPENDING},
    {"STACK", RLIMIT_STACK},
};

int oci_rlimit(const char *name) {
  if (strncmp(name, "RLIMIT_", 7) != 0)
    return -1;
  for (size_t i = 0; i < OCI_COUNT(rlimits); i++) {
    if (strcmp(name + 7, rlimits[i].name) == 0)
      return rlimits[i].resource;
  }
  return -1;
}

const char *oci_rlimit_word(int resource) {
  for (size_t i = 0; i < OCI_COUNT(rlimits); i++) {
    if (rlimits[i].resource == resource)
      return rlimits[i].name;
  }
  return NULL;
}
