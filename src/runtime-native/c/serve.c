/*
 * `tsbuild-runtime serve`: the helper, one for each tsbuild. It starts containers as forks of itself: no program is
 * loaded for a container but its own, and tsbuild's part is a message.
 *
 * Descriptor 3 is the channel (channel.h). Its end means that tsbuild is gone; then every container is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup_find.h"
#include "cgroup_sweep.h"
#include "channel.h"
#include "cleanup.h"
#include "commands.h"
#include "container.h"
#include "open_files.h"
#include "own_binary.h"
#include "stage.h"
#include "syscalls.h"

enum { CHANNEL_FD = 3, FIRST_FREE_FD = 4 };

/* What the helper itself waits for; those of the containers follow. */
enum { POLL_CHANNEL, POLL_NETWORKS, OWN_POLLS };

struct served {
  struct container container;
  struct helper *helper;
  uint32_t number;
};

struct helper {
  struct served **items;
  size_t count;
  size_t capacity;
  struct pollfd *entries;
  bool is_abandoned;
  struct container_owner owner;
  struct cgroup groups;
  struct net_pool networks;
};

static void send_status(struct container *container, const struct status_record *record) {
  const struct served *served = container->context;
  channel_send(CHANNEL_FD, served->number, MESSAGE_STATUS, record, status_size(record));
}

static void send_stdout(void *context, const void *data, size_t size) {
  channel_send(CHANNEL_FD, ((const struct served *)context)->number, MESSAGE_STDOUT, data, size);
}

static void send_stderr(void *context, const void *data, size_t size) {
  channel_send(CHANNEL_FD, ((const struct served *)context)->number, MESSAGE_STDERR, data, size);
}

static int connect_channel(struct container *container, int ends[RELAY_COUNT], struct error *error) {
  if (container->spec.terminal || container->spec.open_stdin)
    return fail(error, STAGE_SPEC, 0, "a terminal or an open stdin needs a container with stdio of its own");
  cleanup_fd_at(&ends[RELAY_STDIN]);
  relay_open_to(&container->relays[RELAY_STDOUT], steal_fd(&ends[RELAY_STDOUT]), send_stdout, container->context);
  relay_open_to(&container->relays[RELAY_STDERR], steal_fd(&ends[RELAY_STDERR]), send_stderr, container->context);
  return 0;
}

static void refuse_terminal(struct container *container, int master) {
  (void)container;
  close(master);
}

static struct net_pool *networks_of(struct container *container, struct error *error) {
  (void)error;
  return &((const struct served *)container->context)->helper->networks;
}

static void send_answer(void *context, const struct net_reply *reply) {
  const bool refused = reply->error.stage != 0;
  struct {
    struct network_answer answer;
    char detail[ERROR_DETAIL_MAX];
  } data = {.answer = {.gateway = refused ? 0 : htonl(reply->host_address), .code = reply->error.code}};
  const size_t length = refused ? strlen(reply->error.detail) : 0;
  (void)context;
  memcpy(data.detail, reply->error.detail, length);
  channel_send(CHANNEL_FD, 0, MESSAGE_NETWORK, &data, sizeof data.answer + length);
}

/* False for nonsense. */
static bool ask_network(struct helper *helper, const char *config_text) {
  struct net_reply refused = {.kind = NET_ASK};
  struct net_config config;
  if (config_text == NULL)
    return false;
  if (net_config_parse(config_text, &config, &refused.error) < 0) {
    send_answer(helper, &refused);
  } else if (!net_pool_ask(&helper->networks, &config)) {
    fail(&refused.error, STAGE_NETWORK, 0, "the process that makes networks has ended");
    send_answer(helper, &refused);
  }
  return true;
}

static struct served *find(const struct helper *helper, uint32_t number) {
  for (size_t i = 0; i < helper->count; i++) {
    if (helper->items[i]->number == number)
      return helper->items[i];
  }
  return NULL;
}

static bool make_room(struct helper *helper) {
  if (helper->count < helper->capacity)
    return true;
  size_t capacity = helper->capacity == 0 ? 8 : helper->capacity * 2;
  struct served **items = realloc(helper->items, capacity * sizeof *items);
  if (items == NULL)
    return false;
  helper->items = items;
  struct pollfd *entries = realloc(helper->entries, (OWN_POLLS + capacity * CONTAINER_POLLS) * sizeof *entries);
  if (entries == NULL)
    return false;
  helper->entries = entries;
  helper->capacity = capacity;
  return true;
}

static bool start(struct helper *helper, uint32_t number, uint8_t *data, size_t size) {
  struct served *served = make_room(helper) ? calloc(1, sizeof *served) : NULL;
  if (served == NULL || data == NULL) {
    free(served);
    free(data);
    return false;
  }
  served->helper = helper;
  served->number = number;
  helper->items[helper->count++] = served;
  container_start(&served->container, &helper->owner, served, data, size);
  return true;
}

/* False for the end of the channel, and for nonsense, after which nothing on it can be understood. */
static bool read_message(struct helper *helper) {
  struct message_head head;
  uint8_t *data;
  if (!channel_receive(CHANNEL_FD, &head, &data))
    return false;
  if (head.kind == MESSAGE_START && find(helper, head.container) == NULL)
    return start(helper, head.container, data, head.size);
  if (head.kind == MESSAGE_NETWORK) {
    const bool is_asked = ask_network(helper, (const char *)data);
    free(data);
    return is_asked;
  }
  uint32_t words[2] = {0, 0};
  const bool is_signal = head.kind == MESSAGE_SIGNAL && head.size == sizeof words[0];
  const bool is_request = head.kind == MESSAGE_REQUEST && head.size == sizeof words;
  /* One that has just ended is no mistake. */
  struct served *served = find(helper, head.container);
  if (served != NULL && (is_signal || is_request)) {
    memcpy(words, data, head.size);
    if (is_request)
      container_request(&served->container, (enum container_request)words[0], words[1]);
    else if (words[0] < NSIG)
      container_signal(&served->container, (int)words[0]);
  }
  free(data);
  return is_signal || is_request;
}

static void abandon(struct helper *helper) {
  helper->is_abandoned = true;
  for (size_t i = 0; i < helper->count; i++)
    container_abandon(&helper->items[i]->container);
}

static void drop_gone(struct helper *helper) {
  size_t kept = 0;
  for (size_t i = 0; i < helper->count; i++) {
    struct served *served = helper->items[i];
    if (served->container.state != CONTAINER_GONE) {
      helper->items[kept++] = served;
      continue;
    }
    container_free(&served->container);
    free(served);
  }
  /* What an earlier helper left when it was killed, perhaps while this one started. */
  if (kept == 0 && helper->count > 0)
    cgroup_sweep(&helper->groups);
  helper->count = kept;
}

/* One turn of the loop; false when tsbuild is gone and nothing is left. */
static bool serve(struct helper *helper) {
  if (helper->is_abandoned && helper->count == 0)
    return false;
  /* Containers that this turn starts have no entries in it. */
  const size_t count = helper->count;
  int timeout = -1;
  struct pollfd *entries = helper->entries;
  entries[POLL_CHANNEL] = (struct pollfd){.fd = helper->is_abandoned ? -1 : CHANNEL_FD, .events = POLLIN};
  entries[POLL_NETWORKS] = (struct pollfd){.fd = helper->networks.socket, .events = POLLIN};
  for (size_t i = 0; i < count; i++) {
    int wanted = container_poll(&helper->items[i]->container, entries + OWN_POLLS + i * CONTAINER_POLLS);
    if (wanted >= 0 && (timeout < 0 || wanted < timeout))
      timeout = wanted;
  }
  if (poll(entries, OWN_POLLS + count * CONTAINER_POLLS, timeout) < 0)
    return errno == EINTR;
  const bool has_message = entries[POLL_CHANNEL].revents != 0;
  for (size_t i = 0; i < count; i++)
    container_serve(&helper->items[i]->container, entries + OWN_POLLS + i * CONTAINER_POLLS);
  if (entries[POLL_NETWORKS].revents)
    net_pool_receive(&helper->networks);
  if (has_message && !read_message(helper))
    abandon(helper);
  drop_gone(helper);
  return true;
}

static int run_helper(int networks) {
  static struct helper helper;
  struct error error;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || !make_room(&helper) || cgroup_find(&helper.groups, &error) < 0)
    return 1;
  cgroup_sweep(&helper.groups);
  helper.owner = (struct container_owner){.on_status = send_status,
                                          .connect = connect_channel,
                                          .on_terminal = refuse_terminal,
                                          .open_files = open_files_original(),
                                          .networks = networks_of,
                                          .groups = &helper.groups};
  net_pool_open(&helper.networks, networks, 1);
  helper.networks.ends_with_worker = true;
  helper.networks.on_answer = send_answer;
  signal(SIGPIPE, SIG_IGN);
  while (serve(&helper))
    ;
  return 0;
}

/* Waits for the helper, which has no descriptors any more, and takes back the control groups that it left. */
static int outlive(pid_t helper) {
  struct cgroup groups;
  struct error error;
  const bool found = cgroup_find(&groups, &error) == 0;
  /*
   * Lets paused containers go on: as the first process of its namespace the helper cannot end before them, and with
   * version 1 they cannot end while they are frozen.
   */
  if (found)
    cgroup_sweep(&groups);
  int status;
  while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
    ;
  if (found)
    cgroup_sweep(&groups);
  return status;
}

/*
 * The helper is the first process of a pid namespace: whatever kills it, the kernel ends all its containers with it, also a
 * process that has lost its death signal by running a set-user-ID program. This process makes its network namespaces,
 * outlives it, and takes back what was made for them.
 */
int serve_main(int argc, char **argv) {
  (void)argv;
  static struct net_worker worker;
  int networks[2];
  if (argc != 1 || fcntl(CHANNEL_FD, F_GETFD) < 0)
    return 2;
  sys_close_range(FIRST_FREE_FD, ~0U, 0);
  own_binary_seal(OWN_BINARY_COPY, (char *[]){(char *)(uintptr_t) "tsbuild-runtime", (char *)(uintptr_t) "serve", NULL});
  sys_close_range(CHANNEL_FD, CHANNEL_FD, CLOSE_RANGE_CLOEXEC);
  /* Nobody may look into it: it has descriptors of the host. */
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, networks) < 0)
    return 1;
  struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)sys_clone3(&args);
  if (pid == 0) {
    close(networks[0]);
    _exit(run_helper(networks[1]));
  }
  if (pid < 0)
    return 1;
  close(CHANNEL_FD);
  close(networks[1]);
  net_worker_answer(&worker, networks[0]);
  int status = outlive(pid);
  net_worker_leave(&worker);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
