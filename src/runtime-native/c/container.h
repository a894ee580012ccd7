/*
 * One container, from its description to the removal of everything that was made for it. Whoever starts it calls
 * `container_serve` from an event loop until that says that nothing is left.
 */
#ifndef TSBUILD_CONTAINER_H
#define TSBUILD_CONTAINER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "cgroup.h"
#include "error.h"
#include "net_pool.h"
#include "relay.h"
#include "spec.h"
#include "stack.h"
#include "status.h"
#include "stubs.h"

enum relay_index { RELAY_STDIN, RELAY_STDOUT, RELAY_STDERR, RELAY_COUNT };

enum { POLL_REPORTS, POLL_PID, POLL_RELAYS, CONTAINER_POLLS = POLL_RELAYS + RELAY_COUNT };

/* What the owner may ask for while the container runs; the numbers are wire format, as in request.ts. */
enum container_request { REQUEST_STATS = 1, REQUEST_PAUSE = 2, REQUEST_UNPAUSE = 3 };

struct container;

/* Who started a container, and hears of it. */
struct container_owner {
  /* Nothing follows STATUS_FAILED and STATUS_EXITED, by which time all output was delivered. */
  void (*on_status)(struct container *container, const struct status_record *record);
  /* Connects the relays with the ends of the container's pipes, which it takes over; -1 with `error` filled. */
  int (*connect)(struct container *container, int ends[RELAY_COUNT], struct error *error);
  /* Takes the master side of the container's terminal over. */
  void (*on_terminal)(struct container *container, int master);
  /* The size for a new terminal; no rows when there is none. */
  struct winsize terminal_size;
  /* The soft limit on open files that the container gets, see open_files.h. */
  uint64_t open_files;
  /* Where network namespaces come from; NULL with `error` filled. Asked when one is needed. */
  struct net_pool *(*networks)(struct container *container, struct error *error);
  /* The hierarchies of control groups here. */
  const struct cgroup *groups;
};

enum container_state {
  /* Being set up, running, or its output is still on the way. */
  CONTAINER_ALIVE,
  /* Over for its owner; its control groups are still in the way of being removed. */
  CONTAINER_LINGERS,
  CONTAINER_GONE,
};

struct container {
  const struct container_owner *owner;
  void *context;
  struct container_spec spec;
  /* What the strings of `spec` point into. */
  uint8_t *description;
  struct cgroup cgroup;
  enum container_state state;
  pid_t pid;
  /* The same process as the host's /proc shows it: this one may be in a pid namespace of its own. */
  pid_t host_pid;
  int pidfd;
  /* Reports of the first process; -1 after its exec or exit. */
  int reports;
  struct relay relays[RELAY_COUNT];
  /* The owner is gone: nobody waits for the output. */
  bool abandoned;
  /* Its processes are frozen. */
  bool paused;
  struct stubs stubs;
  /* Where overlayfs cannot stack the layers: the root's first. */
  struct stack *stacks;
  size_t stack_count;
  /* Keeps its ports published; -1 without any. */
  int ports;
  bool ready;
  bool started;
  bool failed;
  struct error error;
  bool exited;
  int wait_status;
  /* Monotonic milliseconds: when to give up on output that somebody outside holds back, or to try a removal again. */
  int64_t deadline;
  unsigned removals;
};

/*
 * Takes over the description and starts its process; what goes wrong, now or later, is told by a status record. The
 * container must be zeroed and stay where it is.
 */
void container_start(struct container *container, const struct container_owner *owner, void *context,
                     uint8_t *description, size_t size);

/* What to wait for; returns for how long at most, in milliseconds, or -1. */
int container_poll(const struct container *container, struct pollfd entries[CONTAINER_POLLS]);

/* Does what can be done by now, given what poll said. */
void container_serve(struct container *container, const struct pollfd entries[CONTAINER_POLLS]);

/* Its owner is gone: kills it, and waits for nobody to take its output. */
void container_abandon(struct container *container);

/* Sends a signal to the first process. SIGKILL ends everything in the container, also when it is paused. */
void container_signal(struct container *container, int number);

/* Does what was asked for, and answers with a status record that has the request's number. */
void container_request(struct container *container, enum container_request request, uint32_t number);

/* Lets a paused container go on. */
int container_thaw(struct container *container, struct error *error);

/* Releases the memory of one that is gone. */
void container_free(struct container *container);

#endif
