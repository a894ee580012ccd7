/* The user namespace that this process is in, and which ids it has. */
#ifndef TSBUILD_USERNS_H
#define TSBUILD_USERNS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Reads them from /proc, as the others here do when they are first called: for a process that is about to leave the host's
 * /proc behind, or that has entered another namespace.
 */
void userns_read(void);

/* Whether it is the machine's own, in which root is the machine's root and every id exists. */
bool userns_is_initial(void);

/* Whether the id is mapped: chown, setuid and mount options take no other. */
bool userns_has_uid(uid_t id);
bool userns_has_gid(gid_t id);

/* Whether supplementary groups can be changed. Not where an ordinary user wrote the map (user_namespaces(7), CVE-2014-8989). */
bool userns_may_set_groups(void);

#endif
