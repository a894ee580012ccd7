/* Which devices the processes of a control group may use: those that every container has, and mknod for all. */
#ifndef TSBUILD_DEVICE_RULES_H
#define TSBUILD_DEVICE_RULES_H

/* Each restricts the group at the open `directory`; -1 with errno. */
int device_rules_v1(int directory);
int device_rules_v2(int directory);

#endif
