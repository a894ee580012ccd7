#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "commands.h"
#include "io.h"
#include "overlay.h"

#define ACKNOWLEDGED 1

int files_beside(int layer) { return openat(layer, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

/* The root directory of a mount that nobody else sees. */
static int open_mount(int mount, struct error *error) {
  int fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? fail(error, TREE_ROOT, errno, "layers") : fd;
}

static int mount_overlay(const struct overlay_spec *overlay, struct error *error) {
  /* Only for kernels where overlay_mount has to attach the mount for a moment. */
  if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return fail(error, TREE_ROOT, errno, "mount namespace");
  cleanup_fd int mounted = overlay_mount(overlay, TREE_ROOT, error);
  return mounted < 0 ? -1 : open_mount(mounted, error);
}

static int open_layers(struct files_state *state, struct error *error) {
  enum snapshotter chosen;
  if (state->overlay.lower.count == 0)
    return mount_overlay(&state->overlay, error);
  if (stack_choose(&state->overlay, &chosen, TREE_ROOT, error) < 0)
    return -1;
  if (chosen == SNAPSHOTTER_OVERLAY)
    return mount_overlay(&state->overlay, error);
  if (stack_open(&state->stack, chosen, &state->overlay, state->overlay.work, "copy", TREE_ROOT, error) < 0)
    return -1;
  int root = open_mount(state->stack.mount, error);
  cleanup_fd_at(&state->stack.mount);
  return root;
}

/* A root is a directory, or a stack of layers that nobody else sees: it is never attached to a mount namespace. */
static int open_root(int argc, char **argv, struct files_state *state, struct error *error) {
  if (argc == 3 && strcmp(argv[1], "directory") == 0) {
    int fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || (state->beside = files_beside(fd)) < 0 ? fail(error, TREE_ROOT, errno, "%s", argv[2]) : fd;
  }
  if (argc >= 5 && strcmp(argv[1], "overlay") == 0) {
    state->overlay = (struct overlay_spec){
        .lower = {.items = (const char **)argv + 5, .count = (size_t)argc - 5},
        .is_volatile = strcmp(argv[2], "volatile") == 0,
        .upper = argv[3],
        .work = argv[4],
    };
    cleanup_fd int upper = open(state->overlay.upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (upper < 0 || (state->beside = files_beside(upper)) < 0)
      return fail(error, TREE_ROOT, errno, "%s", state->overlay.upper);
    return open_layers(state, error);
  }
  return fail(error, TREE_PROTOCOL, 0, "unknown kind of root");
}

static int finish(struct files_state *state, struct error *error) {
  if (files_set_times(state, error) < 0)
    return -1;
  tree_close(&state->tree);
  return stack_close(&state->stack, true, TREE_ROOT, error) < 0 ? -1 : files_acknowledge(error);
}

int files_acknowledge(struct error *error) {
  uint32_t record[4] = {ACKNOWLEDGED, 0, 0, 0};
  return write_all(STDOUT_FILENO, record, sizeof record) < 0 ? fail(error, TREE_PROTOCOL, errno, "stdout") : 0;
}

/* 0 after CLOSE, 1 when the input ended without it. */
static int carry_out(struct files_state *state, struct error *error) {
  for (;;) {
    int status = files_read(state, error);
    if (status <= 0)
      return status < 0 ? -1 : 1;
    switch (state->operation.record.op) {
    case FILES_FLUSH:
      status = files_acknowledge(error);
      break;
    case FILES_CLOSE:
      return finish(state, error);
    default:
      status = files_apply(state, error);
    }
    if (status < 0)
      return -1;
  }
}

int files_main(int argc, char **argv) {
  tree_process_setup();
  if (argc == 3 && strcmp(argv[1], "scan") == 0)
    return files_scan(argv[2]);
  if (argc == 3 && strcmp(argv[1], "remove") == 0)
    return files_remove(argv[2]);
  if (argc >= 2 && strcmp(argv[1], "unpack") == 0)
    return files_unpack(argc - 1, argv + 1);
  struct error error;
  struct files_state state = {.content = files_content, .input = {.fd = STDIN_FILENO}, .stack.mount = -1};
  int root = open_root(argc, argv, &state, &error);
  if (root < 0) {
    tree_report(STDOUT_FILENO, &error);
    return 1;
  }
  tree_init(&state.tree, root);
  int status = carry_out(&state, &error);
  if (status < 0)
    tree_report(STDOUT_FILENO, &error);
  /* The memory goes with the process. */
  tree_close(&state.tree);
  return status == 0 ? 0 : 1;
}
