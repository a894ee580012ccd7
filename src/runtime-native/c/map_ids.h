/*
 * The ids of a new user namespace: 0 is the user, and 1 and up are those that the administrator gave to the user, where
 * newuidmap(1) and newgidmap(1) can map them; else 0 is the only one.
 */
#ifndef TSBUILD_MAP_IDS_H
#define TSBUILD_MAP_IDS_H

#include <sys/types.h>

/* A process that stays outside of the namespace, where the two programs have their privileges. */
struct id_mapper {
  pid_t pid;
  int socket;
};

/* To be called before the namespace is made. -1 with errno. */
int map_ids_prepare(struct id_mapper *mapper, uid_t uid);

/* Maps the ids of the calling process's new namespace; `uid` and `gid` are the ones from before. -1 with errno. */
int map_ids(struct id_mapper *mapper, uid_t uid, gid_t gid);

#endif
