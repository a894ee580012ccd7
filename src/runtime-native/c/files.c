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

int files_mount(const struct overlay_spec *overlay, struct error *error) {
  /* Only for kernels where overlay_mount has to attach the mount for a moment. */
  if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return fail(error, TREE_ROOT, errno, "mount namespace");
  cleanup_fd int mounted = overlay_mount(overlay, TREE_ROOT, error);
  if (mounted < 0)
    return -1;
  int fd = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? fail(error, TREE_ROOT, errno, "overlay") : fd;
}

/* A root is a directory, or an overlay that nobody else sees: it is never attached to a mount namespace. */
static int open_root(int argc, char **argv, int *beside, struct error *error) {
  if (argc == 3 && strcmp(argv[1], "directory") == 0) {
    int fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || (*beside = files_beside(fd)) < 0 ? fail(error, TREE_ROOT, errno, "%s", argv[2]) : fd;
  }
  if (argc >= 5 && strcmp(argv[1], "overlay") == 0) {
    struct overlay_spec overlay = {
        .lower = {.items = (const char **)argv + 5, .count = (size_t)argc - 5},
        .is_volatile = strcmp(argv[2], "volatile") == 0,
        .upper = argv[3],
        .work = argv[4],
    };
    cleanup_fd int upper = open(overlay.upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (upper < 0 || (*beside = files_beside(upper)) < 0)
      return fail(error, TREE_ROOT, errno, "%s", overlay.upper);
    return files_mount(&overlay, error);
  }
  return fail(error, TREE_PROTOCOL, 0, "unknown kind of root");
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
      return files_set_times(state, error) < 0 ? -1 : files_acknowledge(error);
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
  struct files_state state = {.content = files_content, .input = {.fd = STDIN_FILENO}};
  int root = open_root(argc, argv, &state.beside, &error);
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
