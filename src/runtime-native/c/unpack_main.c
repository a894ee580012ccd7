#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "unpack.h"

#define FIRST_LOWER 6

static int open_all(struct unpack *unpack, int argc, char **argv, struct error *error) {
  const struct tar_limits limits = {strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10)};
  const bool is_framed = argv[5][0] == '\0';
  const int source = is_framed ? STDIN_FILENO : open(argv[5], O_RDONLY | O_CLOEXEC);
  if (source < 0)
    return fail(error, TREE_SOURCE, errno, "%s", argv[5]);
  tar_open(&unpack->reader, source, is_framed, &limits);
  int root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return fail(error, TREE_ROOT, errno, "%s", argv[1]);
  tree_init(&unpack->files.tree, root);
  if ((unpack->files.beside = files_beside(root)) < 0)
    return fail(error, TREE_ROOT, errno, "..");
  const struct string_list lower = {.items = (const char **)argv + FIRST_LOWER, .count = (size_t)argc - FIRST_LOWER};
  if (layer_set_open(&unpack->lower, &lower, TREE_ROOT, error) < 0)
    return -1;
  return layer_paths_init(&unpack->paths, error);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The rooted paths that the archive takes for granted, in byte order, each with its zero byte. */
static int list_implied(struct unpack *unpack, struct tar_text *list, struct error *error) {
  size_t count = 0, capacity = 0;
  cleanup_free char **paths = NULL;
  int status = 0;
  for (struct layer_node *root = unpack->paths.root, *node = root;
       status == 0 && (node = layer_walk(root, node, false)) != NULL;) {
    if (!node->implied)
      continue;
    const char *path = layer_path(&unpack->paths, node, error);
    if (count == capacity) {
      capacity = capacity == 0 ? 64 : capacity * 2;
      char **grown = reallocarray(paths, capacity, sizeof(char *));
      if (grown == NULL)
        return fail(error, TREE_PROTOCOL, ENOMEM, "implied parents");
      paths = grown;
    }
    if (path == NULL || (paths[count] = strdup(path)) == NULL)
      status = path == NULL ? -1 : fail(error, TREE_PROTOCOL, ENOMEM, "implied parents");
    else
      count++;
  }
  if (count > 0)
    qsort(paths, count, sizeof *paths, compare);
  for (size_t i = 0; i < count; i++) {
    if (status == 0 && (tar_append(list, "/", 1, error) < 0 || tar_append(list, paths[i], strlen(paths[i]) + 1, error) < 0))
      status = -1;
    free(paths[i]);
  }
  return status;
}

static int answer(struct unpack *unpack, struct error *error) {
  struct tar_text list = {.data = NULL};
  if (list_implied(unpack, &list, error) < 0)
    return -1;
  struct sha256 *hash = &unpack->reader.input.hash;
  struct __attribute__((packed)) {
    uint32_t acknowledgement[4];
    uint8_t digest[SHA256_SIZE];
    uint64_t size;
  } head = {.acknowledgement = {1, 0, 0, (uint32_t)(sizeof head - sizeof head.acknowledgement + list.size)}};
  head.size = hash->size;
  sha256_final(hash, head.digest);
  int status = write_all(STDOUT_FILENO, &head, sizeof head) < 0 || write_all(STDOUT_FILENO, list.data, list.size) < 0
                   ? fail(error, TREE_PROTOCOL, errno, "stdout")
                   : 0;
  free(list.data);
  return status;
}

int files_unpack(int argc, char **argv) {
  struct error error;
  struct unpack unpack = {0};
  int status = argc < FIRST_LOWER ? fail(&error, TREE_PROTOCOL, 0, "wants a directory, limits and a source")
                                  : open_all(&unpack, argc, argv, &error);
  if (status == 0)
    status = unpack_archive(&unpack, &error);
  if (status == 0)
    status = answer(&unpack, &error);
  /* The memory goes with the process. */
  if (status < 0)
    tree_report(STDOUT_FILENO, &error);
  return status < 0 ? 1 : 0;
}
