#include "net_pool.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "fd_message.h"
#include "stage.h"

void net_pool_open(struct net_pool *pool, int socket, size_t ahead) {
  *pool = (struct net_pool){.socket = socket};
  for (size_t i = 0; i < NET_POOL_KINDS; i++)
    pool->shelves[i].ahead = ahead;
}

void net_pool_close(struct net_pool *pool) {
  for (size_t i = 0; i < NET_POOL_KINDS; i++) {
    struct net_shelf *shelf = &pool->shelves[i];
    for (size_t item = 0; item < shelf->count; item++)
      cleanup_fd_at(&shelf->ready[item].namespace);
    shelf->count = 0;
  }
  cleanup_fd_at(&pool->socket);
}

static struct net_shelf *shelf_of(struct net_pool *pool, enum net_request_kind kind, enum net_role role) {
  return &pool->shelves[(kind == NET_MAKE_NONE ? 0 : 2) + (role == NET_STEP ? 0 : 1)];
}

/* Nothing that it was asked for will come. */
static void lose_worker(struct net_pool *pool) {
  if (pool->ends_with_worker)
    _exit(1);
  cleanup_fd_at(&pool->socket);
  for (size_t i = 0; i < NET_POOL_KINDS; i++) {
    if (pool->shelves[i].asked > 0)
      fail(&pool->shelves[i].error, STAGE_NETWORK, 0, "the process that makes networks has ended");
    pool->shelves[i].asked = 0;
  }
}

static bool send_request(struct net_pool *pool, const struct net_request *request) {
  ssize_t sent;
  do
    sent = pool->socket < 0 ? -1 : send(pool->socket, request, sizeof *request, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR && pool->socket >= 0);
  if (sent < 0) {
    lose_worker(pool);
    return false;
  }
  shelf_of(pool, request->kind, request->role)->asked++;
  return true;
}

bool net_pool_ask(struct net_pool *pool, const struct net_config *config) {
  const struct net_request request = {.kind = NET_ASK, .role = NET_STEP, .config = *config};
  return send_request(pool, &request);
}

void net_pool_receive(struct net_pool *pool) {
  static struct net_reply reply;
  cleanup_fd int namespace = -1;
  if (fd_message_receive(pool->socket, &reply, sizeof reply, 0, &namespace) != (ssize_t)sizeof reply) {
    lose_worker(pool);
    return;
  }
  struct net_shelf *shelf = shelf_of(pool, reply.kind, reply.role);
  shelf->asked--;
  if (namespace < 0)
    shelf->error = reply.error;
  else if (shelf->count < NET_POOL_READY_MAX)
    shelf->ready[shelf->count++] = (struct net_ready){steal_fd(&namespace), {reply.address, reply.prefix}};
  if (reply.kind == NET_ASK && pool->on_answer != NULL)
    pool->on_answer(pool->context, &reply);
}

int net_pool_take(struct net_pool *pool, enum net_request_kind kind, enum net_role role,
                  const struct net_config *config, struct subnet *own, struct error *error) {
  struct net_shelf *shelf = shelf_of(pool, kind, role);
  const struct net_request request = {.kind = kind, .role = role, .config = *config};
  if (shelf->count == 0 && shelf->asked > 0 && shelf->ahead < NET_POOL_READY_MAX / 2)
    shelf->ahead *= 2;
  while (shelf->count + shelf->asked < 1 + shelf->ahead && send_request(pool, &request))
    ;
  while (shelf->count == 0 && shelf->asked > 0)
    net_pool_receive(pool);
  if (shelf->count == 0) {
    *error = shelf->error;
    if (error->stage == 0)
      fail(error, STAGE_NETWORK, 0, "the process that makes networks has ended");
    return -1;
  }
  /* The oldest: what became of it is known for the longest. */
  struct net_ready oldest = shelf->ready[0];
  memmove(shelf->ready, shelf->ready + 1, --shelf->count * sizeof oldest);
  *own = oldest.own;
  return oldest.namespace;
}
