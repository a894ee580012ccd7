/* Times of directories, which are set when nothing is made in them any more. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "files.h"

#define NONE SIZE_MAX
/* Fewer removals than this are not worth looking for what they removed. */
#define REMOVALS_MIN 1024

static int append(struct files_state *state, const struct timespec *mtime, bool is_removal, struct error *error) {
  const char *path = state->operation.path;
  if (state->time_count == state->time_capacity) {
    size_t capacity = state->time_capacity == 0 ? 256 : state->time_capacity * 2;
    struct files_time *grown = reallocarray(state->times, capacity, sizeof *grown);
    if (grown == NULL)
      return fail(error, TREE_METADATA, ENOMEM, "%s", path);
    state->times = grown;
    state->time_capacity = capacity;
  }
  char *copy = strdup(path);
  if (copy == NULL)
    return fail(error, TREE_METADATA, ENOMEM, "%s", path);
  state->times[state->time_count] = (struct files_time){
      .path = copy, .mtime = *mtime, .is_removal = is_removal, .order = state->time_count, .above = NONE};
  state->time_count++;
  return 0;
}

int files_remember_time(struct files_state *state, struct error *error) {
  const struct files_record *record = &state->operation.record;
  const struct timespec mtime = {.tv_sec = record->mtime_sec, .tv_nsec = record->mtime_nsec};
  return append(state, &mtime, false, error);
}

int files_forget_times(struct files_state *state, struct error *error) {
  const struct timespec none = {.tv_sec = 0};
  if (state->time_count == 0)
    return 0;
  if (append(state, &none, true, error) < 0)
    return -1;
  /* Only once they are the greater part, so that each is paid for by one removal. */
  if (++state->removal_count >= REMOVALS_MIN && state->removal_count > state->time_count / 2)
    files_settle_times(state);
  return 0;
}

/* The slash before all other characters, so that what is in a directory comes right after it. */
static int rank_of(char character) { return character == '/' ? 1 : character == '\0' ? 0 : 1 + (unsigned char)character; }

static int by_path(const void *a, const void *b) {
  const struct files_time *left = a, *right = b;
  const char *x = left->path, *y = right->path;
  while (*x != '\0' && *x == *y) {
    x++;
    y++;
  }
  const int difference = rank_of(*x) - rank_of(*y);
  return difference != 0 ? difference : right->is_removal - left->is_removal;
}

static int by_order(const void *a, const void *b) {
  const struct files_time *left = a, *right = b;
  return (left->order > right->order) - (left->order < right->order);
}

static bool is_within(const char *path, const char *directory) {
  size_t length = strlen(directory);
  return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/*
 * Whether the time was remembered before a removal of its path or of one above. `*innermost` is the removal that the one before
 * it in the order of paths is within; each knows the next one above it, and there the latest of all above.
 */
static bool is_removed(struct files_time *times, struct files_time *time, size_t *innermost) {
  while (*innermost != NONE && !is_within(time->path, times[*innermost].path))
    *innermost = times[*innermost].above;
  const size_t latest = *innermost == NONE ? 0 : times[*innermost].latest;
  if (!time->is_removal)
    return *innermost != NONE && latest > time->order;
  time->above = *innermost;
  time->latest = time->order > latest ? time->order : latest;
  *innermost = (size_t)(time - times);
  return false;
}

void files_settle_times(struct files_state *state) {
  struct files_time *times = state->times;
  size_t kept = 0, innermost = NONE;
  if (state->removal_count == 0)
    return;
  qsort(times, state->time_count, sizeof *times, by_path);
  for (size_t i = 0; i < state->time_count; i++)
    times[i].is_gone = is_removed(times, &times[i], &innermost);
  qsort(times, state->time_count, sizeof *times, by_order);
  for (size_t i = 0; i < state->time_count; i++) {
    if (times[i].is_gone || times[i].is_removal) {
      free(times[i].path);
      continue;
    }
    times[kept] = times[i];
    times[kept].order = kept;
    kept++;
  }
  state->time_count = kept;
  state->removal_count = 0;
}

/* In the order of the operations, so that the last one wins; a directory that is gone by now has no time to set. */
int files_set_times(struct files_state *state, struct error *error) {
  files_settle_times(state);
  for (size_t i = 0; i < state->time_count; i++) {
    const struct files_time *time = &state->times[i];
    struct place place;
    if (tree_parent(&state->tree, time->path, false, &place, error) < 0)
      return -1;
    cleanup_fd int fd = place.parent < 0 ? -1 : tree_open_dir(place.parent, place.name);
    if (fd < 0) {
      if (place.parent < 0 || errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
        continue;
      return fail(error, TREE_METADATA, errno, "%s", time->path);
    }
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time->mtime};
    if (futimens(fd, times) < 0)
      return fail(error, TREE_METADATA, errno, "%s", time->path);
  }
  return 0;
}
