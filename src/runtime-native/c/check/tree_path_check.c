/* Random paths in random trees full of links: whatever is asked for, nothing outside of the root is opened or made. */
#include "check.h"
#include "tree.h"

#define TREES 150
#define PATHS 60

static const char *const words[] = {"a", "b", "c", "d", "..", ".", "a", "b", "", "link"};

/* Up to six names with slashes between, before and behind them. */
static void random_path(char *path, size_t size) {
  path[0] = '\0';
  for (unsigned i = 0, count = 1 + draw(6); i < count; i++)
    snprintf(path + strlen(path), size - strlen(path), "%s%s", i > 0 || draw(3) == 0 ? "/" : "", words[draw(COUNT(words))]);
}

static void random_tree(const struct scratch *scratch) {
  for (unsigned i = 0; i < 25; i++) {
    char name[64] = "", target[256];
    for (unsigned depth = draw(4); depth > 0; depth--)
      snprintf(name + strlen(name), sizeof name - strlen(name), "%c/", 'a' + (int)draw(4));
    snprintf(name + strlen(name), sizeof name - strlen(name), "%s", draw(4) == 0 ? "link" : words[draw(4)]);
    random_path(target, sizeof target);
    /* A link may only fail to appear because its name or parent is taken by something else. */
    int status;
    switch (draw(5)) {
    case 0:
    case 1:
      status = mkdirat(scratch->fd, name, 0755);
      break;
    case 2:
      status = mknodat(scratch->fd, name, S_IFREG | 0644, 0);
      break;
    case 3:
      status = symlinkat(scratch->path, scratch->fd, name);
      break;
    default:
      status = target[0] == '\0' ? 0 : symlinkat(target, scratch->fd, name);
    }
    EXPECT(status == 0 || errno == EEXIST || errno == ENOENT || errno == ENOTDIR || errno == ELOOP, "%s: errno %d", name,
           errno);
  }
}

/* The directory `fd` is the root or below it, by the kernel's own account. */
static void expect_inside(const struct scratch *scratch, int fd, const char *path) {
  char link[64], target[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, target, sizeof target - 1);
  EXPECT(size > 0, "errno %d", errno);
  target[size] = '\0';
  size_t length = strlen(scratch->path);
  EXPECT(strncmp(target, scratch->path, length) == 0 && (target[length] == '/' || target[length] == '\0'),
         "'%s' leads to %s", path, target);
}

/* Nothing but the levels that scratch_make made, each with one entry. */
static void expect_untouched(const struct scratch *scratch) {
  char path[128];
  snprintf(path, sizeof path, "%s", scratch->path);
  while (strcmp(path, scratch->top) != 0) {
    *strrchr(path, '/') = '\0';
    struct stat status;
    EXPECT(stat(path, &status) == 0 && status.st_nlink == 3, "%s has %lu links", path, (unsigned long)status.st_nlink);
    char inside[200];
    snprintf(inside, sizeof inside, "%s/new", path);
    EXPECT(access(inside, F_OK) < 0, "%s was made", inside);
  }
}

static unsigned long opened, refused;

static void try_path(const struct scratch *scratch, struct tree *tree) {
  char path[256];
  random_path(path, sizeof path);
  struct place place;
  struct error error = {0};
  cleanup_free char *resolved = NULL;
  int status;
  switch (draw(3)) {
  case 0:
    status = tree_parent(tree, path, false, &place, &error);
    break;
  case 1:
    status = tree_parent(tree, path, true, &place, &error);
    break;
  default:
    status = tree_follow(tree, path, &resolved, &place, &error);
  }
  if (status < 0) {
    /* What ends with a slash is refused as it is. */
    size_t size = strlen(path);
    EXPECT(error.stage == TREE_PARENT || (error.stage == TREE_PROTOCOL && size > 0 && path[size - 1] == '/'),
           "'%s': stage %u", path, error.stage);
    refused++;
    return;
  }
  opened++;
  if (place.parent < 0)
    return;
  expect_inside(scratch, place.parent, path);
  EXPECT(strchr(place.name, '/') == NULL || place.name[strcspn(place.name, "/") + strspn(strchr(place.name, '/'), "/")] == '\0',
         "'%s' ends in '%s'", path, place.name);
  EXPECT(strncmp(place.name, "..", 2) != 0 || (place.name[2] != '\0' && place.name[2] != '/'), "'%s' ends in ..", path);
  /* What is made or removed at the place is inside, too. */
  switch (draw(4)) {
  case 0:
    mkdirat(place.parent, place.name, 0755);
    break;
  case 1:
    if (strcmp(place.name, ".") != 0 && tree_remove(place.parent, place.name, path, &error) == 0)
      tree_forget(tree);
    break;
  case 2: {
    cleanup_fd int fd = openat(place.parent, place.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    break;
  }
  }
}

static void check_random(void) {
  for (unsigned i = 0; i < TREES; i++) {
    struct scratch scratch;
    struct tree tree;
    scratch_make(&scratch);
    random_tree(&scratch);
    tree_init(&tree, fcntl(scratch.fd, F_DUPFD_CLOEXEC, 0));
    for (unsigned j = 0; j < PATHS; j++)
      try_path(&scratch, &tree);
    tree_close(&tree);
    expect_untouched(&scratch);
    scratch_remove(&scratch);
  }
  printf("tree_path: %lu paths opened, %lu refused\n", opened, refused);
}

/* Links to paths of two thousand missing names each, one behind the other: too deep for the stack, were it followed. */
static void check_deep(void) {
  struct scratch scratch;
  struct tree tree;
  scratch_make(&scratch);
  tree_init(&tree, fcntl(scratch.fd, F_DUPFD_CLOEXEC, 0));
  for (int i = 0; i < 38; i++) {
    char name[16], target[4096];
    snprintf(name, sizeof name, "L%d", i);
    int size = snprintf(target, sizeof target, "/L%d", i + 1);
    for (; size < 4080; size += 2)
      memcpy(target + size, "/x", 3);
    EXPECT(symlinkat(target, scratch.fd, name) == 0, "errno %d", errno);
  }
  struct place place;
  struct error error = {0};
  EXPECT(tree_parent(&tree, "L0/file", true, &place, &error) < 0 && error.code == ELOOP, "code %d", error.code);
  /* One such path is fine. */
  EXPECT(tree_parent(&tree, "L37/file", true, &place, &error) == 0 && place.parent >= 0, "%.100s", error.detail);
  tree_close(&tree);
  scratch_remove(&scratch);
}

int main(void) {
  confine();
  check_random();
  check_deep();
  return 0;
}
