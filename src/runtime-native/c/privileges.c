#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "stage.h"
#include "syscalls.h"
#include "userns.h"

#define BIT(capability) (UINT64_C(1) << (capability))

struct sets {
  uint64_t effective;
  uint64_t permitted;
  uint64_t inheritable;
};

static int get_sets(struct sets *sets) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(__NR_capget, &header, data) < 0)
    return -1;
  sets->effective = data[0].effective | (uint64_t)data[1].effective << 32;
  sets->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  sets->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
  return 0;
}

static int set_sets(const struct sets *sets) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {
      {(uint32_t)sets->effective, (uint32_t)sets->permitted, (uint32_t)sets->inheritable},
      {(uint32_t)(sets->effective >> 32), (uint32_t)(sets->permitted >> 32), (uint32_t)(sets->inheritable >> 32)}};
  return (int)syscall(__NR_capset, &header, data);
}

/* The kernel may know more capabilities than the headers, so it decides where the list ends. */
static int drop_bounding(uint64_t keep) {
  for (unsigned long capability = 0; capability < 64; capability++) {
    if (keep & BIT(capability))
      continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
      return errno == EINVAL ? 0 : -1;
  }
  return 0;
}

static int raise_ambient(uint64_t set) {
  for (unsigned long capability = 0; capability < 64; capability++) {
    if ((set & BIT(capability)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
      return -1;
  }
  return 0;
}

int privileges_drop(const struct identity *identity, const struct capability_sets *asked, struct error *error) {
  struct sets own;
  if (get_sets(&own) < 0)
    return fail(error, STAGE_CAPABILITIES, errno, "capget");
  if (drop_bounding(asked->bounding & own.permitted) < 0)
    return fail(error, STAGE_CAPABILITIES, errno, "bounding set");

  /* A user other than root loses all capabilities with the change of ids, unless they are kept over it. */
  const bool keep = identity->uid == 0 || !asked->only_root;
  if (keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
    return fail(error, STAGE_CAPABILITIES, errno, "keepcaps");
  /*
   * Also when there is only the primary group: the caller's own must go (CVE-2022-36109), unless the namespace's maker could
   * use that to get rid of one that denies something.
   */
  if (userns_may_set_groups() && setgroups(identity->group_count, identity->groups) < 0)
    return fail(error, STAGE_IDENTITY, errno, "setgroups");
  if (setresgid(identity->gid, identity->gid, identity->gid) < 0)
    return fail(error, STAGE_IDENTITY, errno, "gid %u", identity->gid);
  if (setresuid(identity->uid, identity->uid, identity->uid) < 0)
    return fail(error, STAGE_IDENTITY, errno, "uid %u", identity->uid);
  if (keep && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
    return fail(error, STAGE_CAPABILITIES, errno, "keepcaps");

  const uint64_t permitted = keep ? asked->permitted & own.permitted : 0;
  const struct sets wanted = {.effective = asked->effective & permitted,
                              .permitted = permitted,
                              .inheritable = asked->inheritable & own.permitted};
  if (set_sets(&wanted) < 0)
    return fail(error, STAGE_CAPABILITIES, errno, "capset");
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
    return fail(error, STAGE_CAPABILITIES, errno, "ambient set");
  if (raise_ambient(asked->ambient & wanted.inheritable & permitted) < 0)
    return fail(error, STAGE_CAPABILITIES, errno, "ambient set");
  return 0;
}
