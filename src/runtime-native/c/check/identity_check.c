/* Users and groups of an image's files: what Docker finds in them, and a second reader that must agree on random ones. */
#include "identity.h"

#include "check.h"
#include "stage.h"

#define ROUNDS 5000

static struct scratch scratch;
static int proc;

static int find(const char *user, const char *passwd, const char *group, struct identity *identity,
                struct error *error) {
  write_file_at(scratch.fd, "etc/passwd", passwd, strlen(passwd));
  write_file_at(scratch.fd, "etc/group", group, strlen(group));
  *error = (struct error){0};
  return identity_find(scratch.fd, proc, user, identity, error);
}

static const char passwd_text[] = "root:x:0:0:root:/root:/bin/sh\n"
                                  "# a comment\n"
                                  "\n"
                                  "  app:x:1000:1000::/home/app:/bin/sh  \r\n"
                                  "1000:x:77:78::/number:/bin/sh\n"
                                  "other:x:1000:2::/second:/bin/sh\n"
                                  "short\n"
                                  "negative:x:-1:0::/:\n"
                                  "large:x:2147483648:0::/:\n"
                                  "bare:x:1002:1002\n";
static const char group_text[] = "root:x:0:root\napp:x:1000:\nwheel:x:10:app,root\ndocker:x:999:x,app\n"
                                 "apps:x:55:apps\nbroken:x:nan:app\n77:x:4:\nmany:x:10:app\n";

static void check_known(void) {
  static const struct {
    const char *user;
    uint32_t stage;
    uid_t uid;
    gid_t gid;
    const char *home;
    const char *groups;
  } cases[] = {
      {"", 0, 0, 0, "/root", "0,10"},
      {"app", 0, 1000, 1000, "/home/app", "0,10,999,1000"},
      /* A number is an id: the first entry with it, not the user of that name. */
      {"1000", 0, 1000, 1000, "/home/app", "0,10,999,1000"},
      {"other", 0, 1000, 2, "/home/app", "2"},
      {"app:wheel", 0, 1000, 10, "/home/app", "10"},
      {"app:77", 0, 1000, 77, "/home/app", "77"},
      {"4242", 0, 4242, 0, "/", "0"},
      {"4242:4243", 0, 4242, 4243, "/", "4243"},
      {"app:", 0, 1000, 1000, "/home/app", "0,10,999,1000"},
      {":wheel", 0, 0, 10, "/root", "10"},
      /* A home that is empty stays so. */
      {"bare", 0, 1002, 1002, "", "1002"},
      {"short", 0, 0, 0, "/root", "0"},
      {"2147483647", 0, 2147483647, 0, "/", "0"},
      {"nobody", STAGE_UNKNOWN_USER, 0, 0, NULL, NULL},
      {"negative", STAGE_UNKNOWN_USER, 0, 0, NULL, NULL},
      {"large", STAGE_UNKNOWN_USER, 0, 0, NULL, NULL},
      {"app:nogroup", STAGE_UNKNOWN_GROUP, 0, 0, NULL, NULL},
      {"2147483648", STAGE_USER_RANGE, 0, 0, NULL, NULL},
      {"app:4294967296", STAGE_USER_RANGE, 0, 0, NULL, NULL},
      {"99999999999999999999", STAGE_USER_RANGE, 0, 0, NULL, NULL},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct identity identity;
    struct error error;
    int status = find(cases[i].user, passwd_text, group_text, &identity, &error);
    EXPECT(error.stage == cases[i].stage && (status < 0) == (error.stage != 0), "%s: stage %u", cases[i].user, error.stage);
    if (status == 0) {
      char groups[256] = "";
      for (size_t j = 0; j < identity.group_count; j++)
        snprintf(groups + strlen(groups), sizeof groups - strlen(groups), "%s%u", j == 0 ? "" : ",", identity.groups[j]);
      EXPECT(identity.uid == cases[i].uid && identity.gid == cases[i].gid, "%s: %u:%u", cases[i].user, identity.uid,
             identity.gid);
      EXPECT(strcmp(identity.home, cases[i].home) == 0, "%s: home %s", cases[i].user, identity.home);
      EXPECT(strcmp(groups, cases[i].groups) == 0, "%s: groups %s", cases[i].user, groups);
    }
    free(identity.groups);
  }
}

/* Files that are none: the image may have put anything there. */
static void check_files(void) {
  struct identity identity;
  struct error error = {0};
  EXPECT(unlinkat(scratch.fd, "etc/passwd", 0) == 0, "errno %d", errno);
  EXPECT(identity_find(scratch.fd, proc, "0", &identity, &error) == 0 && strcmp(identity.home, "/") == 0, "no file");
  free(identity.groups);
  EXPECT(identity_find(scratch.fd, proc, "app", &identity, &error) < 0 && error.stage == STAGE_UNKNOWN_USER, "no file");
  static const char *const links[] = {"/etc/shadow", "../../../../../../../../etc/shadow", "/proc/self/environ"};
  for (size_t i = 0; i < COUNT(links); i++) {
    EXPECT(symlinkat(links[i], scratch.fd, "etc/passwd") == 0, "errno %d", errno);
    EXPECT(identity_find(scratch.fd, proc, "root", &identity, &error) < 0 && error.stage == STAGE_UNKNOWN_USER,
           "%s was read outside of the root", links[i]);
    EXPECT(unlinkat(scratch.fd, "etc/passwd", 0) == 0, "errno %d", errno);
  }
  EXPECT(mkfifoat(scratch.fd, "etc/passwd", 0644) == 0, "errno %d", errno);
  EXPECT(identity_find(scratch.fd, proc, "root", &identity, &error) < 0 && error.stage == STAGE_USER_FILE, "a fifo");
  EXPECT(unlinkat(scratch.fd, "etc/passwd", 0) == 0, "errno %d", errno);
  write_file_at(scratch.fd, "etc/passwd", "", 0);
  int fd = openat(scratch.fd, "etc/passwd", O_WRONLY | O_CLOEXEC);
  EXPECT(ftruncate(fd, (10 << 20) + 1) == 0, "errno %d", errno);
  close(fd);
  EXPECT(identity_find(scratch.fd, proc, "root", &identity, &error) < 0 && error.code == EFBIG, "a large file");
}

/* An image can put its user into any number of groups; the kernel takes so many. */
static void check_many_groups(void) {
  char *text = must(malloc(2u << 20)), *at = text;
  for (unsigned i = 0; i < 66000; i++)
    at += sprintf(at, "g:x:%u:app\n", i);
  struct identity identity;
  struct error error;
  EXPECT(find("app", passwd_text, text, &identity, &error) < 0 && error.code == E2BIG, "66000 groups");
  free(identity.groups);
  free(text);
}

/* ---- A second reader, by position instead of by taking the text apart ---- */

struct span {
  const char *at;
  size_t size;
};

static bool is_blank(char c) { return strchr(" \t\r\v\f", c) != NULL; }

/* Field `index` of the line; at NULL when there are fewer. */
static struct span field_of(struct span line, unsigned index) {
  const char *end = line.at + line.size;
  for (; index > 0; index--) {
    const char *colon = memchr(line.at, ':', (size_t)(end - line.at));
    if (colon == NULL)
      return (struct span){NULL, 0};
    line.at = colon + 1;
  }
  const char *colon = memchr(line.at, ':', (size_t)(end - line.at));
  return (struct span){line.at, (size_t)((colon == NULL ? end : colon) - line.at)};
}

static bool next_span(const char **text, struct span *line) {
  while (**text != '\0') {
    size_t size = strcspn(*text, "\n");
    *line = (struct span){*text, size};
    *text += size + ((*text)[size] == '\n');
    for (; line->size > 0 && is_blank(line->at[0]); line->at++)
      line->size--;
    while (line->size > 0 && is_blank(line->at[line->size - 1]))
      line->size--;
    if (line->size > 0 && line->at[0] != ':')
      return true;
  }
  return false;
}

/* -1 for a number that is none of an id; 0 for what is no number. */
static int64_t number_of(struct span field) {
  bool negative = field.size > 0 && field.at[0] == '-';
  size_t at = field.size > 0 && (negative || field.at[0] == '+'), digits = field.size - at;
  int64_t number = 0;
  for (; at < field.size; at++) {
    if (field.at[at] < '0' || field.at[at] > '9')
      return 0;
    if (number < INT32_MAX)
      number = number * 10 + (field.at[at] - '0');
  }
  return digits > 0 && (negative || digits > 10 || number > INT32_MAX) ? -1 : number;
}

static bool is_text(struct span field, const char *text) {
  return field.size == strlen(text) && memcmp(field.at, text, field.size) == 0;
}

static void expect_agreement(const char *passwd, const char *user, const struct identity *identity, int status) {
  struct span line;
  for (const char *at = passwd; next_span(&at, &line);) {
    int64_t uid = number_of(field_of(line, 2)), gid = number_of(field_of(line, 3));
    if (uid < 0 || gid < 0 || !is_text(field_of(line, 0), user))
      continue;
    EXPECT(status == 0 && identity->uid == uid && identity->gid == gid, "%s in:\n%s", user, passwd);
    return;
  }
  EXPECT(status < 0, "%s in:\n%s", user, passwd);
}

static void check_random(void) {
  unsigned found = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    char passwd[sizeof passwd_text], group[sizeof group_text];
    memcpy(passwd, passwd_text, sizeof passwd);
    memcpy(group, group_text, sizeof group);
    for (unsigned changes = draw(12); changes > 0; changes--) {
      static const char characters[] = ":\n\n:+-0129 \tapx,";
      passwd[draw(sizeof passwd - 1)] = characters[draw(sizeof characters - 1)];
      group[draw(sizeof group - 1)] = characters[draw(sizeof characters - 1)];
    }
    struct identity identity;
    struct error error;
    int status = find("app", passwd, group, &identity, &error);
    expect_agreement(passwd, "app", &identity, status);
    bool has_primary = false;
    for (size_t i = 0; i < identity.group_count; i++) {
      has_primary = has_primary || identity.groups[i] == identity.gid;
      EXPECT(i == 0 || identity.groups[i - 1] < identity.groups[i], "group %zu", i);
    }
    EXPECT(status < 0 || has_primary, "%zu groups", identity.group_count);
    found += status == 0;
    free(identity.groups);
  }
  printf("identity: %d random files, the user in %u\n", ROUNDS, found);
}

int main(void) {
  confine();
  scratch_make(&scratch);
  proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  EXPECT(proc >= 0 && mkdirat(scratch.fd, "etc", 0755) == 0, "errno %d", errno);
  check_known();
  check_random();
  check_many_groups();
  check_files();
  close(proc);
  scratch_remove(&scratch);
  return 0;
}
