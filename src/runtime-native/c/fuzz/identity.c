/* passwd, group and a user's description (identity.c). The files are the same two, filled anew by their descriptors. */
#include "identity.h"

#include "fuzz.h"
#include "stage.h"

static char directory[] = "/tmp/tsbuild-fuzz-XXXXXX";
static int root, proc, passwd_fd, group_fd;

static int make_file(const char *name) {
  int fd = openat(root, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  EXPECT(fd >= 0, "%s: errno %d", name, errno);
  return fd;
}

static void clean_up(void) {
  unlinkat(root, "etc/passwd", 0);
  unlinkat(root, "etc/group", 0);
  unlinkat(root, "etc", AT_REMOVEDIR);
  rmdir(directory);
}

static void set_up(void) {
  EXPECT(mkdtemp(directory) != NULL, "errno %d", errno);
  root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT(root >= 0 && proc >= 0 && mkdirat(root, "etc", 0700) == 0, "errno %d", errno);
  passwd_fd = make_file("etc/passwd");
  group_fd = make_file("etc/group");
  atexit(clean_up);
}

static void fill(int fd, const char *text) {
  EXPECT(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && write_all(fd, text, strlen(text)) == 0, "errno %d", errno);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (root == 0)
    set_up();
  /* USER, 0xff, passwd, 0xff, group. */
  char *user, *files, *passwd, *group;
  two_texts(data, size, &user, &files);
  two_texts((const uint8_t *)files, strlen(files), &passwd, &group);
  fill(passwd_fd, passwd);
  fill(group_fd, group);
  struct identity identity;
  struct error error = {0};
  if (identity_find(root, proc, user, &identity, &error) == 0) {
    bool has_primary = false;
    for (size_t i = 0; i < identity.group_count; i++) {
      has_primary = has_primary || identity.groups[i] == identity.gid;
      EXPECT(i == 0 || identity.groups[i - 1] < identity.groups[i], "group %zu", i);
    }
    EXPECT(has_primary && identity.uid <= INT32_MAX && identity.gid <= INT32_MAX, "%u:%u", identity.uid, identity.gid);
    EXPECT(strlen(identity.home) < sizeof identity.home, "home");
  } else {
    EXPECT(error.stage >= STAGE_UNKNOWN_USER && error.stage <= STAGE_USER_FILE, "stage %u", error.stage);
  }
  free(identity.groups);
  free(user);
  free(files);
  free(passwd);
  free(group);
  return 0;
}
