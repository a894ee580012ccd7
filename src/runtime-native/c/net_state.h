/*
 * Who uses the network, and what was changed for it. All users of a network namespace share three files: a lock for
 * changes, a lock that each user holds as long as it lives, and the journal of changes. The kernel lets go of a lock with
 * its process, however that ends, so nobody has to find out whether a user is still alive.
 */
#ifndef TSBUILD_NET_STATE_H
#define TSBUILD_NET_STATE_H

#include "error.h"
#include "net_link.h"

#define FORWARDING_MAX 32

/* What there was to do, written down before it is done, for whoever comes last to undo. */
struct net_journal {
  char bridge[IF_NAMESIZE];
  /* The bridge's own address, and what it is for its containers: their gateway. */
  struct subnet gateway;
  /* Interfaces that did not forward before. */
  char forwarding[FORWARDING_MAX][IF_NAMESIZE];
  size_t forwarding_count;
};

struct net_state {
  int directory;
  int mutex;
  /* Held shared while the network is in use. */
  int users;
  /* Start of the names of its files. */
  char stem[24];
};

/*
 * Nothing open yet. It is also the state of a namespace that no other process can be in: all that follows does nothing then,
 * as what was made goes with the namespace.
 */
#define NET_STATE_CLOSED ((struct net_state){.directory = -1, .mutex = -1, .users = -1})

/* Finds the files of the network namespace that this process is in. */
int net_state_open(struct net_state *state, struct error *error);
void net_state_close(struct net_state *state);

/* Whether anything was written down that is not undone; without a lock, so for a first look only. */
bool net_state_is_used(const struct net_state *state);

/* Between the two nobody else joins or leaves. */
int net_state_lock(struct net_state *state, struct error *error);
void net_state_unlock(struct net_state *state);

/* Under the lock: whether there is no other user. This one counts as none until it has joined again. */
bool net_state_is_alone(struct net_state *state);
int net_state_join(struct net_state *state, struct error *error);

/* Under the lock: 1 for a journal, 0 if there is none. */
int net_state_read(const struct net_state *state, struct net_journal *journal, struct error *error);
int net_state_write(const struct net_state *state, const struct net_journal *journal, struct error *error);

/* Under the lock and alone: all is undone, the files go. */
void net_state_remove(struct net_state *state);

#endif
