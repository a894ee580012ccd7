/* Where the start of a container can fail. The numbers are wire format: status.ts has the same list. */
#ifndef TSBUILD_STAGE_H
#define TSBUILD_STAGE_H

enum stage {
  /* The description is not as agreed: a bug of the caller. */
  STAGE_SPEC = 1,
  /* The supervisor's own work: pipes, memory. */
  STAGE_SUPERVISOR = 2,
  STAGE_CGROUP = 3,
  STAGE_CLONE = 4,
  STAGE_ISOLATION = 5,
  STAGE_NETWORK = 6,
  /* The root file system cannot be mounted. */
  STAGE_ROOTFS = 7,
  /* The source of a mount cannot be opened; detail is its path. */
  STAGE_SOURCE = 8,
  /* A file system cannot be made or attached; detail names it. */
  STAGE_MOUNT = 9,
  /* The target of a mount cannot be used; detail is its path, a code of 0 means that it is not allowed. */
  STAGE_TARGET = 10,
  STAGE_PIVOT = 11,
  STAGE_DEVICES = 12,
  STAGE_MASK = 13,
  STAGE_HOSTNAME = 14,
  STAGE_RLIMIT = 15,
  /* No such user or group; detail is its name. */
  STAGE_UNKNOWN_USER = 16,
  STAGE_UNKNOWN_GROUP = 17,
  /* A number out of range; detail is what was given. */
  STAGE_USER_RANGE = 18,
  /* The passwd or group file cannot be used. */
  STAGE_USER_FILE = 19,
  STAGE_CWD = 20,
  STAGE_TERMINAL = 21,
  STAGE_SECCOMP = 22,
  STAGE_CAPABILITIES = 23,
  STAGE_IDENTITY = 24,
  /* The command was not found in PATH; detail is its name. */
  STAGE_LOOKUP = 25,
  /* execve failed; detail is the path. */
  STAGE_EXEC = 26,
  /* A hook failed; detail is its path, and how it ended. */
  STAGE_HOOK = 27,
  /* A setting of the kernel could not be made; detail is its path. */
  STAGE_SYSCTL = 28,
  /* A limit cannot be set; detail is what was written where, or says why if code is 0. */
  STAGE_LIMIT = 29,
  /* The other runtime that was asked for failed; detail is what it says. */
  STAGE_RUNTIME = 30,
};

#endif
