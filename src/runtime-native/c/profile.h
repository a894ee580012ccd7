/* What every container of tsbuild has, beyond what it was asked for: Docker's defaults. */
#ifndef TSBUILD_PROFILE_H
#define TSBUILD_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "spec.h"

struct profile {
  /* Nothing is masked, filtered or taken away. */
  bool insecure;
  uint64_t shm_size_bytes;
  /* Files of the host for /etc/hosts, /etc/resolv.conf and /etc/hostname; NULL where there is none. */
  const char *etc_hosts;
  const char *etc_resolv_conf;
  const char *etc_hostname;
  bool etc_readonly;
};

/* Completes a description that has what was asked for; its mounts come between the standard ones and the files of /etc. */
int profile_fill(const struct profile *profile, struct container_spec *spec, struct error *error);

#endif
