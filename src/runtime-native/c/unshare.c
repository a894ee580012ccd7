/*
 * `tsbuild-runtime unshare -- PROGRAM ARGS`: the program as root of a user namespace and a mount
 * namespace of its own, in the same process: signals, terminal, stdio and the exit status are the program's.
 */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "commands.h"
#include "map_ids.h"

/* ExitStatus.engine of src/core/errors.ts. */
#define STATUS_ENGINE 125
/* Tells the program who its user is outside; src/cli/process.ts reads it. */
#define OWNER_VARIABLE "TSBUILD_ROOTLESS_UID"

/* What an administrator can forbid user namespaces by; where one of these is the cause, its fix is the only one. */
static const struct {
  const char *path;
  long forbidding;
  const char *name;
  const char *fix;
} switches[] = {
    {"/proc/sys/user/max_user_namespaces", 0, "user.max_user_namespaces", "sysctl -w user.max_user_namespaces=15000"},
    {"/proc/sys/kernel/unprivileged_userns_clone", 0, "kernel.unprivileged_userns_clone",
     "sysctl -w kernel.unprivileged_userns_clone=1"},
    {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1, "kernel.apparmor_restrict_unprivileged_userns",
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
};

static int refuse(const char *what, int code) {
  fprintf(stderr, "ERROR: Cannot work without root: %s: %s", what, strerror(code));
  for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
    FILE *file = fopen(switches[i].path, "re");
    long value;
    bool found = file != NULL && fscanf(file, "%ld", &value) == 1 && value == switches[i].forbidding;
    if (file != NULL)
      fclose(file);
    if (found) {
      fprintf(stderr, ": the sysctl \"%s\" is %ld\nhint: allow it as root with \"%s\", or run tsbuild as root\n",
              switches[i].name, value, switches[i].fix);
      return STATUS_ENGINE;
    }
  }
  fprintf(stderr, "\nhint: user namespaces are forbidden here, by the kernel, a sandbox or a security module\n");
  return STATUS_ENGINE;
}

static int become_root(void) {
  if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
    return -1;
  /* Mounts of the host still appear here; nothing goes the other way. */
  return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
}

int unshare_main(int argc, char **argv) {
  if (argc < 3 || strcmp(argv[1], "--") != 0)
    return 2;
  const uid_t uid = geteuid();
  const gid_t gid = getegid();

  struct id_mapper mapper;
  if (map_ids_prepare(&mapper, uid) < 0)
    return refuse("process", errno);
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
    return refuse("user namespace", errno);
  if (map_ids(&mapper, uid, gid) < 0)
    return refuse("id map", errno);
  if (become_root() < 0)
    return refuse("mount namespace", errno);

  char owner[16];
  snprintf(owner, sizeof owner, "%u", uid);
  if (setenv(OWNER_VARIABLE, owner, 1) < 0)
    return refuse("environment", errno);
  execvp(argv[2], argv + 2);
  fprintf(stderr, "ERROR: Cannot run \"%s\": %s\n", argv[2], strerror(errno));
  return STATUS_ENGINE;
}
