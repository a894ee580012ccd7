/* Which devices the processes of a control group may use. */
#ifndef TSBUILD_DEVICE_RULES_H
#define TSBUILD_DEVICE_RULES_H

#include "spec.h"

/* Each restricts the group at the open `directory`; -1 with errno. */
int device_rules_v1(int directory, const struct device_rule *rules, size_t count);
int device_rules_v2(int directory, const struct device_rule *rules, size_t count);

#endif
