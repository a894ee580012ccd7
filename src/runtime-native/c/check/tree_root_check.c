/* Paths that could be taken for the host's root, or for what a link leads to, are refused. Nothing is made or changed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tree.h"

int main(void) {
  static const char *const refused[] = {"/", "//", "x/", "/x/", "x//", "../", "./"};
  static const char *const roots[] = {"", ".", "..", "/..", "../.."};
  for (size_t i = 0; i < sizeof refused / sizeof refused[0] + sizeof roots / sizeof roots[0]; i++) {
    const bool is_refused = i < sizeof refused / sizeof refused[0];
    const char *path = is_refused ? refused[i] : roots[i - sizeof refused / sizeof refused[0]];
    struct tree tree;
    struct place place;
    struct error error = {0};
    tree_init(&tree, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int status = tree_parent(&tree, path, false, &place, &error);
    bool right = is_refused ? status < 0 && error.stage == TREE_PROTOCOL : status == 0 && strcmp(place.name, ".") == 0;
    struct stat wanted, got;
    if (right && !is_refused)
      right = fstat(tree.root, &wanted) == 0 && fstat(place.parent, &got) == 0 && wanted.st_ino == got.st_ino &&
              wanted.st_dev == got.st_dev;
    if (!right) {
      fprintf(stderr, "\"%s\": status %d, stage %u\n", path, status, error.stage);
      return 1;
    }
    tree_close(&tree);
  }
  return 0;
}
