/* What can be asked of a container while it runs. */
#include <errno.h>
#include <signal.h>

#include "cgroup_kill.h"
#include "cgroup_stats.h"
#include "container.h"
#include "stage.h"

static int carry_out(struct container *container, enum container_request request, struct status_record *answer,
                     struct error *error) {
  /* Before the start the process is not a container yet. */
  if (!container->started || container->exited)
    return fail(error, STAGE_SUPERVISOR, ESRCH, "the container does not run");
  switch (request) {
  case REQUEST_STATS:
    cgroup_stats(&container->cgroup, answer->detail, sizeof answer->detail);
    return 0;
  case REQUEST_PAUSE:
    if (container->paused)
      return fail(error, STAGE_SUPERVISOR, EALREADY, "the container is paused");
    if (cgroup_freeze(&container->cgroup, error) < 0)
      return -1;
    container->paused = true;
    return 0;
  case REQUEST_UNPAUSE:
    if (!container->paused)
      return fail(error, STAGE_SUPERVISOR, EALREADY, "the container is not paused");
    return container_thaw(container, error);
  }
  return fail(error, STAGE_SUPERVISOR, EINVAL, "request %u", request);
}

int container_thaw(struct container *container, struct error *error) {
  if (cgroup_thaw(&container->cgroup, error) < 0)
    return -1;
  container->paused = false;
  return 0;
}

void container_request(struct container *container, enum container_request request, uint32_t number) {
  /* The owner was told of the end, and expects no answer after that. */
  if (container->state != CONTAINER_ALIVE)
    return;
  struct status_record answer = status_answer(number);
  struct error error;
  if (carry_out(container, request, &answer, &error) < 0)
    answer = status_refused(number, &error);
  else
    status_measure(&answer);
  container->owner->on_status(container, &answer);
}
