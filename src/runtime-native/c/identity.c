#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"
#include "stage.h"
#include "syscalls.h"

#define FILE_MAX (10u << 20)
#define ID_MAX INT32_MAX
/* NGROUPS_MAX of the kernel, for setgroups(2). */
#define GROUPS_MAX 65536
#define BLANKS " \t\r\v\f"

/*
 * A file of the image in memory, empty when there is none. It is looked at before it is opened for reading, as opening
 * a device or a fifo would already be too much.
 */
static int read_image_file(int root, int proc, const char *path, char **text, struct error *error) {
  cleanup_fd int found = sys_openat2(root, path, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (found < 0) {
    if (errno != ENOENT && errno != ENOTDIR)
      return fail(error, STAGE_USER_FILE, errno, "%s", path);
    *text = strdup("");
    return *text == NULL ? fail(error, STAGE_USER_FILE, errno, "%s", path) : 0;
  }
  struct stat status;
  if (fstat(found, &status) < 0)
    return fail(error, STAGE_USER_FILE, errno, "%s", path);
  if (!S_ISREG(status.st_mode))
    return fail(error, STAGE_USER_FILE, EINVAL, "%s", path);
  char link[32];
  snprintf(link, sizeof link, "self/fd/%d", found);
  cleanup_fd int fd = openat(proc, link, O_RDONLY | O_CLOEXEC);
  size_t size;
  if (fd < 0 || read_to_end(fd, FILE_MAX, (uint8_t **)text, &size) < 0)
    return fail(error, STAGE_USER_FILE, errno, "%s", path);
  return 0;
}

static bool is_number(const char *text) { return text[0] != '\0' && strspn(text, "0123456789") == strlen(text); }

/* The number, or -1 when it is none or out of range. */
static int64_t parse_id(const char *text) {
  if (text == NULL || !is_number(text) || strlen(text) > 10)
    return -1;
  long long number = strtoll(text, NULL, 10);
  return number > ID_MAX ? -1 : number;
}

/*
 * The next line without white space around it, NULL at the end. Docker's reader takes any line that has a name: a field that
 * is missing or no number counts as 0.
 */
static char *next_line(char **rest) {
  char *line;
  while ((line = strsep(rest, "\n")) != NULL) {
    line += strspn(line, BLANKS);
    size_t length = strlen(line);
    while (length > 0 && strchr(BLANKS, line[length - 1]) != NULL)
      line[--length] = '\0';
    if (length > 0)
      break;
  }
  return line;
}

static int64_t field_id(const char *text) {
  if (text == NULL)
    return 0;
  const char *digits = text + (text[0] == '+' || text[0] == '-');
  if (!is_number(digits))
    return 0;
  return text[0] == '-' ? -1 : parse_id(digits);
}

struct passwd_entry {
  const char *name;
  uid_t uid;
  gid_t gid;
  const char *home;
};

/* The next usable line: name:password:uid:gid:comment:home:shell. */
static bool next_passwd(char **rest, struct passwd_entry *entry) {
  for (char *line; (line = next_line(rest)) != NULL;) {
    char *name = strsep(&line, ":");
    strsep(&line, ":");
    int64_t uid = field_id(strsep(&line, ":"));
    int64_t gid = field_id(strsep(&line, ":"));
    strsep(&line, ":");
    char *home = strsep(&line, ":");
    if (name[0] == '\0' || uid < 0 || gid < 0)
      continue;
    *entry = (struct passwd_entry){.name = name, .uid = (uid_t)uid, .gid = (gid_t)gid, .home = home};
    return true;
  }
  return false;
}

struct group_entry {
  const char *name;
  gid_t gid;
  /* Comma-separated. */
  char *members;
};

/* The next usable line: name:password:gid:members. */
static bool next_group(char **rest, struct group_entry *entry) {
  for (char *line; (line = next_line(rest)) != NULL;) {
    char *name = strsep(&line, ":");
    strsep(&line, ":");
    int64_t gid = field_id(strsep(&line, ":"));
    char *members = strsep(&line, ":");
    if (name[0] == '\0' || gid < 0)
      continue;
    *entry = (struct group_entry){.name = name, .gid = (gid_t)gid, .members = members};
    return true;
  }
  return false;
}

static bool has_member(char *members, const char *name) {
  for (char *member; (member = strsep(&members, ",")) != NULL;) {
    if (strcmp(member, name) == 0)
      return true;
  }
  return false;
}

/* Doubles the room whenever the number is a power of two. -1 with errno. */
static int add_group(struct identity *identity, gid_t gid) {
  const size_t count = identity->group_count;
  if ((count & (count - 1)) == 0) {
    gid_t *grown = reallocarray(identity->groups, count == 0 ? 1 : count * 2, sizeof *grown);
    if (grown == NULL)
      return -1;
    identity->groups = grown;
  }
  identity->groups[identity->group_count++] = gid;
  return 0;
}

static int compare_groups(const void *a, const void *b) {
  const gid_t left = *(const gid_t *)a, right = *(const gid_t *)b;
  return (left > right) - (left < right);
}

/*
 * In the order that the kernel gives them anyway, each once. No more than it takes: an image can list its user in millions
 * of groups. -1 with errno.
 */
static int sort_groups(struct identity *identity) {
  size_t kept = 0;
  qsort(identity->groups, identity->group_count, sizeof *identity->groups, compare_groups);
  for (size_t i = 0; i < identity->group_count; i++) {
    if (kept == 0 || identity->groups[i] != identity->groups[kept - 1])
      identity->groups[kept++] = identity->groups[i];
  }
  identity->group_count = kept;
  if (kept <= GROUPS_MAX)
    return 0;
  errno = E2BIG;
  return -1;
}

/* HOME is that of the first entry with the id, whatever name was asked for. */
static void find_home(char *passwd, struct identity *identity) {
  snprintf(identity->home, sizeof identity->home, "/");
  struct passwd_entry entry;
  while (next_passwd(&passwd, &entry)) {
    if (entry.uid != identity->uid)
      continue;
    snprintf(identity->home, sizeof identity->home, "%s", entry.home == NULL ? "" : entry.home);
    return;
  }
}

/* Sets uid and gid. *name is the entry's name, empty when there is none. */
static int find_user(char *passwd, const char *user, struct identity *identity, const char **name,
                     struct error *error) {
  int64_t number = parse_id(user);
  if (is_number(user) && number < 0)
    return fail(error, STAGE_USER_RANGE, 0, "%s", user);
  *name = "";
  identity->uid = number < 0 ? 0 : (uid_t)number;
  identity->gid = 0;
  struct passwd_entry entry;
  while (next_passwd(&passwd, &entry)) {
    if (number >= 0 ? entry.uid != (uid_t)number : strcmp(entry.name, user) != 0)
      continue;
    *name = entry.name;
    identity->uid = entry.uid;
    identity->gid = entry.gid;
    return 0;
  }
  return number >= 0 ? 0 : fail(error, STAGE_UNKNOWN_USER, 0, "%s", user);
}

static int find_group(char *groups, const char *group, struct identity *identity, struct error *error) {
  int64_t number = parse_id(group);
  if (number >= 0) {
    identity->gid = (gid_t)number;
    return 0;
  }
  if (is_number(group))
    return fail(error, STAGE_USER_RANGE, 0, "%s", group);
  struct group_entry entry;
  while (next_group(&groups, &entry)) {
    if (strcmp(entry.name, group) == 0) {
      identity->gid = entry.gid;
      return 0;
    }
  }
  return fail(error, STAGE_UNKNOWN_GROUP, 0, "%s", group);
}

int identity_find(int root, int proc, const char *user, struct identity *identity, struct error *error) {
  char copy[512];
  if (snprintf(copy, sizeof copy, "%s", user) >= (int)sizeof copy)
    return fail(error, STAGE_UNKNOWN_USER, 0, "%s", user);
  char *group = strchr(copy, ':');
  if (group != NULL)
    *group++ = '\0';
  bool with_group = group != NULL && group[0] != '\0';

  *identity = (struct identity){0};
  cleanup_free char *passwd = NULL, *groups = NULL;
  if (read_image_file(root, proc, "etc/passwd", &passwd, error) < 0)
    return -1;
  /* Reading the lines takes the text apart. */
  cleanup_free char *homes = strdup(passwd);
  if (homes == NULL)
    return fail(error, STAGE_USER_FILE, errno, "memory");
  const char *name;
  if (find_user(passwd, copy[0] == '\0' ? "0" : copy, identity, &name, error) < 0)
    return -1;
  find_home(homes, identity);
  if (with_group && is_number(group)) {
    if (find_group(NULL, group, identity, error) < 0)
      return -1;
  } else if (with_group || name[0] != '\0') {
    if (read_image_file(root, proc, "etc/group", &groups, error) < 0)
      return -1;
    if (with_group && find_group(groups, group, identity, error) < 0)
      return -1;
  }
  if (add_group(identity, identity->gid) < 0)
    return fail(error, STAGE_USER_FILE, errno, "memory");
  /* Further groups only for a user that is known by name, and not when the group was chosen. */
  if (with_group || name[0] == '\0')
    return 0;
  char *rest = groups;
  struct group_entry entry;
  while (next_group(&rest, &entry)) {
    if (has_member(entry.members, name) && add_group(identity, entry.gid) < 0)
      return fail(error, STAGE_USER_FILE, errno, "etc/group");
  }
  return sort_groups(identity) < 0 ? fail(error, STAGE_USER_FILE, errno, "etc/group") : 0;
}

int identity_of(int root, int proc, const struct container_spec *spec, struct identity *identity, struct error *error) {
  *identity = (struct identity){
      .uid = spec->uid, .gid = spec->gid, .groups = spec->groups, .group_count = spec->group_count, .home = "/"};
  for (size_t i = 0; i < spec->env.count; i++) {
    if (strncmp(spec->env.items[i], "HOME=", 5) == 0)
      return 0;
  }
  cleanup_free char *passwd = NULL;
  if (read_image_file(root, proc, "etc/passwd", &passwd, error) < 0)
    return -1;
  find_home(passwd, identity);
  return 0;
}
