#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage.h"

static const char *find_variable(const struct string_list *env, const char *name) {
  size_t length = strlen(name);
  for (size_t i = env->count; i-- > 0;) {
    if (strncmp(env->items[i], name, length) == 0 && env->items[i][length] == '=')
      return env->items[i] + length + 1;
  }
  return NULL;
}

/* 0 when the calling process can run the file, else an errno. */
static int check_executable(const char *path, int proc) {
  struct stat status, own;
  if (stat(path, &status) < 0)
    return errno;
  if (S_ISDIR(status.st_mode))
    return EISDIR;
  if (!S_ISREG(status.st_mode))
    return EACCES;
  if (fstatat(proc, "self/exe", &own, 0) == 0 && own.st_dev == status.st_dev && own.st_ino == status.st_ino)
    return EACCES;
  return access(path, X_OK) < 0 ? errno : 0;
}

/* Joins one element of PATH, of `length` bytes, with the name; an empty one is the current directory. */
static bool join(char *out, size_t size, const char *directory, size_t length, const char *name) {
  if (length == 0)
    return snprintf(out, size, "./%s", name) < (int)size;
  return length < size && snprintf(out, size, "%.*s/%s", (int)length, directory, name) < (int)size;
}

int command_find(const struct container_spec *spec, int proc, struct command_path *command, struct error *error) {
  const char *name = spec->args.items[0];
  if (strchr(name, '/') != NULL) {
    if (snprintf(command->path, sizeof command->path, "%s", name) >= (int)sizeof command->path)
      return fail(error, STAGE_EXEC, ENAMETOOLONG, "%s", name);
    int code = check_executable(name, proc);
    return code == 0 ? 0 : fail(error, STAGE_EXEC, code, "%s", name);
  }
  const char *at = find_variable(&spec->env, "PATH");
  int denied = 0;
  while (at != NULL && name[0] != '\0') {
    size_t length = strcspn(at, ":");
    if (join(command->path, sizeof command->path, at, length, name)) {
      int code = check_executable(command->path, proc);
      if (code == 0)
        return 0;
      if (code == EACCES)
        denied = code;
    }
    at = at[length] == ':' ? at + length + 1 : NULL;
  }
  return fail(error, STAGE_LOOKUP, denied, "%s", name);
}

char **command_environment(const struct container_spec *spec, const char *home, struct error *error) {
  const size_t count = spec->env.count;
  char **environment = calloc(count + 2, sizeof *environment);
  size_t used = 0;
  for (size_t i = 0; environment != NULL && i < count; i++) {
    if (strcmp(spec->env.items[i], "HOME=") == 0)
      continue;
    /* A NULL would end the environment early. */
    environment[used] = strdup(spec->env.items[i]);
    if (environment[used++] == NULL)
      environment = NULL;
  }
  const char *own = find_variable(&spec->env, "HOME");
  if (environment != NULL && (own == NULL || own[0] == '\0') && asprintf(&environment[used++], "HOME=%s", home) < 0)
    environment = NULL;
  if (environment == NULL)
    fail(error, STAGE_EXEC, ENOMEM, "environment");
  return environment;
}
