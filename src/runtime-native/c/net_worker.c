#include "net_worker.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "fd_message.h"
#include "stage.h"

static int make(struct net_worker *worker, const struct net_request *request, struct net_reply *reply) {
  struct error *error = &reply->error;
  if (request->kind == NET_MAKE_NONE && !worker->is_stuck)
    return net_namespace_make(NULL, request->role, &reply->address, error);
  if (worker->refusal.stage != 0) {
    *error = worker->refusal;
    return -1;
  }
  if (net_host_join(&worker->host, &request->config, error) < 0) {
    /* A way out is looked for once. */
    if (worker->host.uplink != NULL)
      worker->refusal = *error;
    return -1;
  }
  reply->host_address = worker->host.uplink == NULL ? worker->host.gateway.address : worker->uplink.host_address;
  reply->prefix = worker->host.gateway.prefix;
  cleanup_fd int namespace = net_namespace_make(&worker->host, request->role, &reply->address, error);
  if (namespace >= 0 && request->kind == NET_ASK && net_namespace_probe(namespace, error) < 0)
    return -1;
  return steal_fd(&namespace);
}

/* False at the end. */
static bool answer(struct net_worker *worker, int socket) {
  struct net_request request;
  ssize_t got;
  do
    got = recv(socket, &request, sizeof request, 0);
  while (got < 0 && errno == EINTR);
  if (got != (ssize_t)sizeof request)
    return false;
  struct net_reply reply = {.kind = request.kind, .role = request.role};
  cleanup_fd int namespace = make(worker, &request, &reply);
  return fd_message_send(socket, &reply, sizeof reply, namespace) == 0;
}

void net_worker_answer(struct net_worker *worker, int socket) {
  const bool leaves = net_uplink_is_needed();
  worker->uplink = NET_UPLINK_NONE;
  worker->is_stuck = leaves && net_uplink_leave_host(&worker->uplink, &worker->refusal) < 0;
  if (!worker->is_stuck && net_host_open(&worker->host, leaves ? &worker->uplink : NULL, &worker->refusal) == 0)
    worker->refusal.stage = 0;
  while (answer(worker, socket))
    ;
}

void net_worker_leave(struct net_worker *worker) {
  net_host_leave(&worker->host);
  net_uplink_close(&worker->uplink);
}
