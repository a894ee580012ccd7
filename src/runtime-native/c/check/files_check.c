/* Lists of operations: good ones give the tree that they describe, and random ones change nothing outside of the root. */
#include "files.h"

#include <sys/xattr.h>

#include "check.h"

#define ROUNDS 3000

struct list {
  uint8_t bytes[65536];
  size_t size;
};

static void put(struct list *list, const void *data, size_t size) {
  EXPECT(list->size + size <= sizeof list->bytes, "%zu bytes", list->size);
  if (size > 0)
    memcpy(list->bytes + list->size, data, size);
  list->size += size;
}

static void add(struct list *list, struct files_record record, const char *path, const char *text, const char *content) {
  record.path_size = (uint32_t)strlen(path);
  record.text_size = (uint32_t)strlen(text);
  record.size = strlen(content);
  put(list, &record, sizeof record);
  put(list, path, strlen(path));
  put(list, text, strlen(text));
  put(list, content, strlen(content));
}

/* How many operations were carried out; `*stage` is that of the failure or 0. */
static unsigned carry_out(int root, const struct list *list, uint32_t *stage) {
  struct files_state state = {.content = files_content, .beside = files_beside(root), .input = {.fd = memory_file(list->bytes, list->size)}};
  struct error error = {0};
  tree_init(&state.tree, fcntl(root, F_DUPFD_CLOEXEC, 0));
  unsigned done = 0;
  int status;
  while ((status = files_read(&state, &error)) == 1) {
    const struct files_record *record = &state.operation.record;
    EXPECT(strlen(state.operation.path) <= record->path_size && record->xattrs_size <= FILES_XATTRS_MAX, "operation %u", done);
    /* A file of the host is one that the caller names; nothing here may read one. */
    if (record->op == FILES_HOST_FILE)
      break;
    if (record->op != FILES_FLUSH && record->op != FILES_CLOSE && files_apply(&state, &error) < 0)
      break;
    done++;
  }
  if (error.stage == 0 && files_set_times(&state, &error) == 0)
    EXPECT(status >= 0, "a failure without a report");
  *stage = error.stage;
  tree_close(&state.tree);
  close(state.input.fd);
  for (size_t i = 0; i < state.time_count; i++)
    free(state.times[i].path);
  free(state.times);
  free(state.operation.path);
  free(state.operation.text);
  free(state.operation.xattrs);
  free(state.input.buffer);
  return done;
}

static void check_good(void) {
  struct scratch scratch;
  static struct list list;
  scratch_make(&scratch);
  list.size = 0;
  const struct files_record directory = {.op = FILES_DIRECTORY, .mode = 0750, .uid = 1, .gid = 2, .flags = FILES_HAS_MTIME, .mtime_sec = 77};
  const struct files_record file = {.op = FILES_FILE, .mode = 04755, .uid = 3, .gid = 4, .flags = FILES_HAS_MTIME, .mtime_sec = 78};
  const struct files_record remove = {.op = FILES_REMOVE};
  add(&list, directory, "dir", "", "");
  add(&list, file, "dir/file", "", "content");
  add(&list, (struct files_record){.op = FILES_SYMLINK}, "dir/link", "../../outside", "");
  add(&list, (struct files_record){.op = FILES_LINK}, "second", "dir/file", "");
  add(&list, (struct files_record){.op = FILES_WHITEOUT}, "gone", "", "");
  add(&list, (struct files_record){.op = FILES_NODE, .mode = S_IFIFO | 0600}, "fifo", "", "");
  /* Through a link that leads out of the root, which it does not do here. */
  add(&list, (struct files_record){.op = FILES_SYMLINK}, "out", "/../../x", "");
  add(&list, (struct files_record){.op = FILES_FILE, .flags = FILES_THROUGH, .mode = 0644}, "out", "", "inside");
  add(&list, file, "dir/temporary", "", "x");
  add(&list, remove, "dir/temporary", "", "");
  uint32_t stage;
  EXPECT(carry_out(scratch.fd, &list, &stage) == 10 && stage == 0, "stage %u", stage);
  struct stat status, second;
  char target[64];
  EXPECT(fstatat(scratch.fd, "dir", &status, 0) == 0 && status.st_mode == (S_IFDIR | 0750) && status.st_uid == 1 &&
             status.st_mtim.tv_sec == 77, "mode %o", status.st_mode);
  EXPECT(fstatat(scratch.fd, "dir/file", &status, 0) == 0 && status.st_mode == (S_IFREG | 04755) && status.st_gid == 4 &&
             status.st_size == 7 && status.st_mtim.tv_sec == 78, "mode %o", status.st_mode);
  EXPECT(fstatat(scratch.fd, "second", &second, 0) == 0 && second.st_ino == status.st_ino, "no link");
  EXPECT(readlinkat(scratch.fd, "dir/link", target, sizeof target) == 13, "no symbolic link");
  EXPECT(fstatat(scratch.fd, "gone", &status, 0) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == 0, "no whiteout");
  EXPECT(fstatat(scratch.fd, "x", &status, 0) == 0 && status.st_size == 6, "not inside");
  EXPECT(fstatat(scratch.fd, "dir/temporary", &status, 0) < 0, "not removed");
  /* Every cut of it is noticed, but the one between operations. */
  for (size_t size = list.size; size-- > list.size - 100;) {
    struct list cut = list;
    cut.size = size;
    carry_out(scratch.fd, &cut, &stage);
    EXPECT(stage != 0 || size == list.size - sizeof remove - strlen("dir/temporary"), "cut at %zu", size);
  }
  scratch_remove(&scratch);
}

static void random_list(struct list *list) {
  static const char *const names[] = {"a", "b", "a/b", "../x", "..", ".", "", "/", "a/../../x", "c", "c/d", "b/link", "/a//b/",
                                      "../", "b/", "../../", "a/b/../../..//", "//", "/."};
  list->size = 0;
  for (unsigned i = 0, count = 1 + draw(12); i < count; i++) {
    struct files_record record = {.op = draw(12), .flags = draw(16), .mode = draw(010000), .uid = draw(3), .mtime_sec = draw(9)};
    uint8_t xattrs[64];
    if (record.op == FILES_NODE)
      record.mode |= draw(2) == 0 ? S_IFIFO : S_IFCHR;
    if (draw(6) == 0) {
      uint32_t sizes[2] = {draw(12), draw(12)};
      record.xattrs_size = draw(sizeof xattrs);
      for (size_t j = 0; j < sizeof xattrs; j++)
        xattrs[j] = (uint8_t)("user.abc\0"[draw(9)]);
      memcpy(xattrs, sizes, sizeof sizes);
    }
    const char *path = names[draw(COUNT(names))], *text = names[draw(COUNT(names))];
    record.path_size = (uint32_t)strlen(path);
    record.text_size = (uint32_t)strlen(text);
    record.size = record.op == FILES_FILE ? draw(20) : 0;
    put(list, &record, sizeof record);
    put(list, path, strlen(path));
    put(list, text, strlen(text));
    put(list, xattrs, record.xattrs_size);
    put(list, "twenty bytes of text", record.size);
  }
}

static void check_random(void) {
  static struct list list;
  unsigned long done = 0, whole = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    struct scratch scratch;
    scratch_make(&scratch);
    random_list(&list);
    if (draw(3) == 0)
      mutate(list.bytes, &list.size);
    uint32_t stage;
    struct stat before, after;
    *strrchr(scratch.path, '/') = '\0';
    /* A link out of the root, to the directory above it. */
    EXPECT(stat(scratch.path, &before) == 0 && symlinkat(scratch.path, scratch.fd, "b") == 0, "errno %d", errno);
    done += carry_out(scratch.fd, &list, &stage);
    whole += stage == 0;
    EXPECT(stat(scratch.path, &after) == 0 && after.st_mode == before.st_mode && after.st_uid == before.st_uid,
           "the directory above the root was changed");
    EXPECT(after.st_ctim.tv_sec == before.st_ctim.tv_sec && after.st_ctim.tv_nsec == before.st_ctim.tv_nsec,
           "the directory above the root was changed");
    scratch_remove(&scratch);
  }
  printf("files: %d random lists, %lu whole, %lu operations\n", ROUNDS, whole, done);
}

int main(void) {
  confine();
  umask(0);
  check_good();
  check_random();
  return 0;
}
