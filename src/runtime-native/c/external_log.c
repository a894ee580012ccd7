#include "external_log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "stage.h"

#define MESSAGE_MAX 900

/* The message of a line, if that tells of an error. */
static bool read_line(char *line, char *message, size_t size) {
  struct json_document document = {0};
  bool is_error = false;
  if (json_parse(&document, line, strlen(line)) == 0) {
    const struct json *text = json_get(document.root, "msg"), *level = json_get(document.root, "level");
    is_error = text != NULL && text->kind == JSON_STRING &&
               (level == NULL || (level->kind == JSON_STRING && strcmp(level->text, "error") == 0));
    if (is_error)
      snprintf(message, size, "%s", text->text);
  }
  json_free(&document);
  return is_error;
}

/* The errno that the message means, when it is about the container's command; else 0. runc and crun have no other way to tell. */
static int command_errno(const char *message) {
  static const struct {
    const char *words;
    int code;
  } reasons[] = {{"not found in $PATH", ENOENT},
                 {"no such file or directory", ENOENT},
                 {"permission denied", EACCES},
                 {"operation not permitted", EACCES},
                 {"is a directory", EISDIR},
                 {"exec format error", ENOEXEC}};
  if (strstr(message, "exec: \"") == NULL && strstr(message, "executable") == NULL && strstr(message, "exec ") == NULL)
    return 0;
  for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
    if (strcasestr(message, reasons[i].words) != NULL)
      return reasons[i].code;
  }
  return 0;
}

int external_log_error(char *log, size_t size, const char *argument, const char *command, struct error *error) {
  char message[MESSAGE_MAX] = "";
  char *rest = size == 0 ? NULL : log;
  /* What comes last says most: those before are of the processes inside. */
  for (char *line; (line = strsep(&rest, "\n")) != NULL;)
    (void)read_line(line, message, sizeof message);
  const int code = command_errno(message);
  if (code == ENOENT && strchr(argument, '/') == NULL)
    return fail(error, STAGE_LOOKUP, 0, "%s", argument);
  if (code != 0)
    return fail(error, STAGE_EXEC, code, "%s", argument);
  return fail(error, STAGE_RUNTIME, 0, "%s: %s", command, message[0] == '\0' ? "it failed without a message" : message);
}
