/* Settings in /proc/sys/net, which are those of the network namespace that this process is in. */
#ifndef TSBUILD_NET_SYSCTL_H
#define TSBUILD_NET_SYSCTL_H

#include <stdbool.h>

/* Writes `value` to /proc/sys/net/`name`; -1 with errno. Nothing is written, and 0, when it is the value already. */
int net_sysctl_set(const char *name, const char *value);

/* Whether a setting of the IPv4 side of an interface, or of `all`, is 1. */
bool net_sysctl_is_on(const char *interface, const char *setting);
int net_sysctl_switch(const char *interface, const char *setting, bool on);

#endif
