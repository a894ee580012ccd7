#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "cgroup_events.h"
#include "cleanup.h"
#include "container_stacks.h"
#include "report.h"
#include "stage.h"
#include "syscalls.h"

/* How long to wait for the end of the output once nobody in the container can write: someone outside holds the pipe. */
#define DRAIN_TIMEOUT_MS 500
/* The kernel lets go of a control group a moment after its last process was reaped; the pauses double. */
#define REMOVALS_MAX 14
#define FIRST_PAUSE_MS 1
#define PAUSE_MAX_MS 256

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void container_signal(struct container *container, int number) {
  if (container->pid <= 0 || container->exited)
    return;
  sys_pidfd_send_signal(container->pidfd, number);
  /* A process that version 1 has frozen does not die. */
  struct error ignored;
  if (number == SIGKILL && container->paused)
    (void)!container_thaw(container, &ignored);
}

void container_abandon(struct container *container) {
  container->abandoned = true;
  container_signal(container, SIGKILL);
}

static void read_report(struct container *container) {
  static struct report report;
  cleanup_fd int fd = -1;
  int received = report_receive(container->reports, &report, &fd);
  if (received < 0 && errno == EAGAIN)
    return;
  if (received <= 0) {
    /* Closed by the exec if it was announced, by a death if not. */
    cleanup_fd_at(&container->reports);
    container->started = container->ready && !container->failed;
    if (container->started) {
      const struct status_record started = status_started(container->host_pid);
      container->owner->on_status(container, &started);
    }
    return;
  }
  switch (report.kind) {
  case REPORT_FAILED:
    /* What failed first is why. */
    if (!container->failed)
      container->error = report.error;
    container->failed = true;
    return;
  case REPORT_MADE:
    stubs_add(&container->stubs, &report);
    return;
  case REPORT_TERMINAL:
    if (fd >= 0)
      container->owner->on_terminal(container, steal_fd(&fd));
    return;
  case REPORT_READY:
    container->ready = true;
    return;
  case REPORT_HOOKS:
    /* The containers served here have none. */
    return;
  }
}

static void reap(struct container *container) {
  pid_t pid;
  do
    pid = waitpid(container->pid, &container->wait_status, WNOHANG);
  while (pid < 0 && errno == EINTR);
  if (pid == 0)
    return;
  /* Without its status nobody may take it for a success. */
  if (pid < 0 && !container->failed) {
    fail(&container->error, STAGE_SUPERVISOR, errno, "wait");
    container->failed = true;
  }
  container->exited = true;
  /* Nobody is left to read it. */
  relay_close(&container->relays[RELAY_STDIN]);
}

static bool is_delivered(const struct container *container) {
  return relay_is_done(&container->relays[RELAY_STDOUT]) && relay_is_done(&container->relays[RELAY_STDERR]);
}

static bool waits_for_reader(const struct container *container) {
  return relay_is_full(&container->relays[RELAY_STDOUT]) || relay_is_full(&container->relays[RELAY_STDERR]);
}

static bool is_over(const struct container *container) {
  if (!container->exited || container->reports >= 0)
    return false;
  if (is_delivered(container) || (container->abandoned && waits_for_reader(container)))
    return true;
  return container->deadline >= 0 && now() >= container->deadline && !waits_for_reader(container);
}

static unsigned exit_code(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128u + (unsigned)WTERMSIG(wait_status) : (unsigned)WEXITSTATUS(wait_status);
}

/* What failed before is why. */
static void close_stacks(struct container *container) {
  struct error error;
  if (container_stacks_close(container, container->started && !container->abandoned, &error) == 0 || container->failed)
    return;
  container->failed = true;
  container->error = error;
}

/* A copy's mount points are removed before it is looked through; those in a layer when its form is right again. */
static void finish_root(struct container *container) {
  const bool is_copy = container->stack_count > 0 && container->stacks[0].kind == SNAPSHOTTER_COPY;
  if (!is_copy)
    close_stacks(container);
  if (container->stubs.root >= 0)
    stubs_remove(&container->stubs);
  if (is_copy)
    close_stacks(container);
}

/* Everything is told and undone but the control groups, whose removal nobody has to wait for. */
static void finish(struct container *container) {
  for (size_t i = 0; i < RELAY_COUNT; i++)
    relay_close(&container->relays[i]);
  struct status_record last;
  if (!container->failed && !container->started)
    container->failed = true, fail(&container->error, STAGE_SUPERVISOR, 0, "killed while it was set up");
  finish_root(container);
  /* The counter goes with the group. */
  if (container->failed)
    last = status_failed(&container->error);
  else
    last = status_exited(exit_code(container->wait_status), cgroup_oom_killed(&container->cgroup, exit_code(container->wait_status)));
  container->state = CONTAINER_LINGERS;
  container->deadline = 0;
  container->owner->on_status(container, &last);
}

static void linger(struct container *container) {
  if (now() < container->deadline)
    return;
  if (cgroup_remove(&container->cgroup) || ++container->removals >= REMOVALS_MAX) {
    container->state = CONTAINER_GONE;
    return;
  }
  int64_t pause = (int64_t)FIRST_PAUSE_MS << (container->removals - 1);
  container->deadline = now() + (pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
}

static int until(int64_t deadline) {
  if (deadline < 0)
    return -1;
  int64_t left = deadline - now();
  return left < 0 ? 0 : (int)left;
}

int container_poll(const struct container *container, struct pollfd entries[CONTAINER_POLLS]) {
  for (size_t i = 0; i < CONTAINER_POLLS; i++)
    entries[i] = (struct pollfd){.fd = -1};
  if (container->state == CONTAINER_GONE)
    return -1;
  if (container->state == CONTAINER_LINGERS)
    return until(container->deadline);
  if (is_over(container))
    return 0;
  entries[POLL_REPORTS] = (struct pollfd){.fd = container->reports, .events = POLLIN};
  entries[POLL_PID] = (struct pollfd){.fd = container->exited ? -1 : container->pidfd, .events = POLLIN};
  /* Not before its owner has heard that it is started: who hears the command may want to answer. */
  for (size_t i = 0; i < RELAY_COUNT && container->reports < 0; i++)
    relay_poll(&container->relays[i], &entries[POLL_RELAYS + i]);
  return until(container->deadline);
}

static void serve_alive(struct container *container, const struct pollfd *entries) {
  /* Before the exit: a process that failed has said why first. */
  if (entries[POLL_REPORTS].revents)
    read_report(container);
  else if (entries[POLL_PID].revents)
    reap(container);
  bool moved = false;
  for (size_t i = 0; i < RELAY_COUNT; i++)
    moved = relay_move(&container->relays[i], &entries[POLL_RELAYS + i]) || moved;
  const bool drains = container->exited && container->reports < 0 && !waits_for_reader(container);
  if (!drains)
    container->deadline = -1;
  else if (moved || container->deadline < 0)
    container->deadline = now() + DRAIN_TIMEOUT_MS;
}

void container_serve(struct container *container, const struct pollfd entries[CONTAINER_POLLS]) {
  if (container->state == CONTAINER_ALIVE) {
    serve_alive(container, entries);
    if (is_over(container))
      finish(container);
  }
  if (container->state == CONTAINER_LINGERS)
    linger(container);
}
