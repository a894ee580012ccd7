/* The user namespace that this process is in, and which ids it has; read once, from /proc. */
#ifndef TSBUILD_USERNS_H
#define TSBUILD_USERNS_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether it is the machine's own, in which root is the machine's root and every id exists. */
bool userns_is_initial(void);

/* Whether the id is mapped: chown, setuid and mount options take no other. */
bool userns_has_uid(uid_t id);
bool userns_has_gid(gid_t id);

/* Whether supplementary groups can be changed. Not where an ordinary user wrote the map (user_namespaces(7), CVE-2014-8989). */
bool userns_may_set_groups(void);

#endif
