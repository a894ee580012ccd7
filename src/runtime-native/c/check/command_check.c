/* Which file a command's name means, compared with a plain reading of PATH. */
#include "command.h"

#include "check.h"
#include "stage.h"

#define ROUNDS 5000

static struct scratch scratch;
static int proc;

static struct string_list list_of(const char **items, size_t count) {
  return (struct string_list){.items = items, .count = count, .capacity = count};
}

/* The stage of the failure, or 0 and the path. */
static uint32_t find(const char *name, const char *path, struct command_path *command, int *code) {
  char variable[2 * PATH_MAX];
  snprintf(variable, sizeof variable, "PATH=%s", path == NULL ? "" : path);
  const char *arguments[] = {name, NULL}, *environment[] = {"X=PATH=/", "PATHS=/", variable, NULL};
  struct container_spec spec = {.args = list_of(arguments, 1), .env = list_of(environment, path == NULL ? 2 : 3)};
  struct error error = {0};
  int status = command_find(&spec, proc, command, &error);
  EXPECT((status < 0) == (error.stage != 0), "stage %u", error.stage);
  *code = error.code;
  return error.stage;
}

static void check_known(void) {
  struct command_path command;
  int code;
  EXPECT(find("tool", "/nowhere:one:two", &command, &code) == 0 && strcmp(command.path, "one/tool") == 0, "%s",
         command.path);
  EXPECT(find("tool", "two:one", &command, &code) == 0 && strcmp(command.path, "two/tool") == 0, "%s", command.path);
  EXPECT(find("here", "two::one", &command, &code) == 0 && strcmp(command.path, "./here") == 0, "%s", command.path);
  EXPECT(find("here", "", &command, &code) == 0 && strcmp(command.path, "./here") == 0, "%s", command.path);
  EXPECT(find("one/tool", "two", &command, &code) == 0 && strcmp(command.path, "one/tool") == 0, "%s", command.path);
  EXPECT(find("tool", NULL, &command, &code) == STAGE_LOOKUP && code == 0, "no PATH");
  EXPECT(find("", "one", &command, &code) == STAGE_LOOKUP, "an empty name");
  EXPECT(find("data", "one", &command, &code) == STAGE_LOOKUP && code == EACCES, "code %d", code);
  EXPECT(find("one/data", "", &command, &code) == STAGE_EXEC && code == EACCES, "code %d", code);
  EXPECT(find("dir", "one", &command, &code) == STAGE_LOOKUP && code == 0, "code %d", code);
  EXPECT(find("./one", "", &command, &code) == STAGE_EXEC && code == EISDIR, "code %d", code);
  EXPECT(find("./none", "", &command, &code) == STAGE_EXEC && code == ENOENT, "code %d", code);
  EXPECT(find("./fifo", "", &command, &code) == STAGE_EXEC && code == EACCES, "code %d", code);
  /* This program itself: a container that runs the runtime could write to the host's copy (CVE-2019-5736). */
  EXPECT(find("/proc/self/exe", "", &command, &code) == STAGE_EXEC && code == EACCES, "code %d", code);
  EXPECT(find("exe", "/proc/self", &command, &code) == STAGE_LOOKUP && code == EACCES, "code %d", code);
  char *path = must(malloc(PATH_MAX + 16));
  memset(path, 'x', PATH_MAX + 8);
  memcpy(path + PATH_MAX + 2, ":one", 5);
  EXPECT(find("tool", path, &command, &code) == 0 && strcmp(command.path, "one/tool") == 0, "%s", command.path);
  path[PATH_MAX + 2] = '/';
  EXPECT(find(path, "", &command, &code) == STAGE_EXEC && code == ENAMETOOLONG, "code %d", code);
  free(path);
}

static void check_random(void) {
  static const char *const elements[] = {"", "one", "two", "three", "none", "one/", "./two", "data"};
  static const char *const names[] = {"tool", "here", "data", "dir", "link"};
  for (unsigned round = 0; round < ROUNDS; round++) {
    char path[256] = "", wanted[300] = "";
    const char *name = names[draw(COUNT(names))];
    for (unsigned i = 0, count = 1 + draw(5); i < count; i++) {
      const char *element = elements[draw(COUNT(elements))];
      snprintf(path + strlen(path), sizeof path - strlen(path), "%s%s", i == 0 ? "" : ":", element);
      char candidate[64];
      snprintf(candidate, sizeof candidate, "%s/%s", element[0] == '\0' ? "." : element, name);
      struct stat status;
      if (wanted[0] == '\0' && stat(candidate, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0)
        snprintf(wanted, sizeof wanted, "%s", candidate);
    }
    struct command_path command;
    int code;
    uint32_t stage = find(name, path, &command, &code);
    EXPECT((stage == 0) == (wanted[0] != '\0'), "%s in %s: stage %u", name, path, stage);
    EXPECT(stage != 0 || strcmp(command.path, wanted) == 0, "%s in %s: %s", name, path, command.path);
  }
}

static void check_environment(void) {
  const char *items[] = {"A=1", "HOME=", "B=", NULL}, *own[] = {"HOME=/own", NULL}, *last[] = {"HOME=/own", "HOME=", NULL};
  static const struct {
    size_t count;
    const char *home;
  } wanted[] = {{3, "HOME=/home"}, {1, "HOME=/own"}, {2, "HOME=/home"}};
  const struct string_list lists[] = {list_of(items, 3), list_of(own, 1), list_of(last, 2)};
  for (size_t i = 0; i < COUNT(lists); i++) {
    struct container_spec spec = {.env = lists[i]};
    struct error error = {0};
    char **environment = must(command_environment(&spec, "/home", &error));
    size_t count = 0;
    for (; environment[count] != NULL; count++)
      EXPECT(strcmp(environment[count], "HOME=") != 0, "list %zu", i);
    EXPECT(count == wanted[i].count && strcmp(environment[count - 1], wanted[i].home) == 0, "list %zu", i);
    for (size_t j = 0; j < count; j++)
      free(environment[j]);
    free(environment);
  }
}

int main(void) {
  confine();
  scratch_make(&scratch);
  proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  EXPECT(proc >= 0 && fchdir(scratch.fd) == 0, "errno %d", errno);
  static const char *const executables[] = {"one/tool", "two/tool", "here"}, *const data[] = {"one/data", "data"};
  EXPECT(mkdir("one", 0755) == 0 && mkdir("two", 0755) == 0 && mkdir("three", 0755) == 0, "errno %d", errno);
  EXPECT(mkdir("one/dir", 0755) == 0 && mkfifo("fifo", 0755) == 0, "errno %d", errno);
  EXPECT(symlink("../one/tool", "three/link") == 0 && symlink("nothing", "one/link") == 0, "errno %d", errno);
  for (size_t i = 0; i < COUNT(executables); i++) {
    write_file_at(scratch.fd, executables[i], "#!/bin/sh\n", 10);
    EXPECT(chmod(executables[i], 0755) == 0, "errno %d", errno);
  }
  for (size_t i = 0; i < COUNT(data); i++)
    write_file_at(scratch.fd, data[i], "x", 1);
  check_known();
  check_random();
  check_environment();
  close(proc);
  scratch_remove(&scratch);
  printf("command: %d random searches\n", ROUNDS);
  return 0;
}
