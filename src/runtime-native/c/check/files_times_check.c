/* Which directories still get their times after removals: as many as a reader that compares each with each keeps. */
#include "files.h"

#include "check.h"

#define ROUNDS 3000
#define STEPS 60
/* With each compared to each, this would take hours. */
#define MANY 300000

struct step {
  char path[16];
  bool is_removal;
};

static void take(struct files_state *state, const struct step *step, int64_t time) {
  char path[16];
  struct error error;
  memcpy(path, step->path, sizeof path);
  state->operation.path = path;
  state->operation.record.mtime_sec = time;
  EXPECT((step->is_removal ? files_forget_times(state, &error) : files_remember_time(state, &error)) == 0, "%s", path);
  state->operation.path = NULL;
}

static bool is_removed_later(const struct step *steps, size_t count, size_t at) {
  for (size_t i = at + 1; i < count; i++) {
    size_t length = strlen(steps[i].path);
    const char end = steps[at].path[length];
    if (steps[i].is_removal && strncmp(steps[at].path, steps[i].path, length) == 0 && (end == '/' || end == '\0'))
      return true;
  }
  return false;
}

static void release(struct files_state *state) {
  for (size_t i = 0; i < state->time_count; i++)
    free(state->times[i].path);
  free(state->times);
}

static void check_random(void) {
  static const char *const names[] = {"a", "b", "a.b", "a\x01", "ab"};
  unsigned long kept = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    struct files_state state = {.beside = -1};
    struct step steps[STEPS];
    const size_t count = 1 + draw(STEPS);
    for (size_t i = 0; i < count; i++) {
      char path[64] = "";
      for (unsigned depth = 1 + draw(3); depth > 0; depth--)
        snprintf(path + strlen(path), sizeof path - strlen(path), "%s%s", path[0] == '\0' ? "" : "/", names[draw(COUNT(names))]);
      steps[i].is_removal = draw(3) == 0;
      snprintf(steps[i].path, sizeof steps[i].path, "%.15s", path);
      take(&state, &steps[i], (int64_t)i);
      /* It may be done at any moment. */
      if (draw(20) == 0)
        files_settle_times(&state);
    }
    files_settle_times(&state);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
      if (steps[i].is_removal || is_removed_later(steps, count, i))
        continue;
      EXPECT(at < state.time_count && state.times[at].mtime.tv_sec == (int64_t)i &&
                 strcmp(state.times[at].path, steps[i].path) == 0, "%s of step %zu", steps[i].path, i);
      at++;
    }
    EXPECT(at == state.time_count && state.removal_count == 0, "%zu of %zu", at, state.time_count);
    kept += at;
    release(&state);
  }
  printf("files_times: %d lists, %lu times kept\n", ROUNDS, kept);
}

/* A layer with many directories that are replaced one by one. */
static void check_many(void) {
  struct files_state state = {.beside = -1};
  struct step step = {.is_removal = false};
  for (unsigned i = 0; i < MANY; i++) {
    snprintf(step.path, sizeof step.path, "d%u/x", i);
    take(&state, &step, i);
  }
  step.is_removal = true;
  for (unsigned i = 0; i < MANY; i++) {
    snprintf(step.path, sizeof step.path, "d%u%s", i ^ 1, i % 3 == 0 ? "/y" : "");
    take(&state, &step, 0);
    EXPECT(state.time_count <= 3 * MANY, "%zu", state.time_count);
  }
  files_settle_times(&state);
  EXPECT(state.time_count == MANY / 3, "%zu times", state.time_count);
  release(&state);
}

int main(void) {
  check_random();
  check_many();
  return 0;
}
