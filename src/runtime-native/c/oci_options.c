#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "oci.h"
#include "stage.h"

int oci_usage(struct error *error, const char *format, ...) {
  va_list arguments;
  *error = (struct error){.stage = STAGE_SPEC};
  va_start(arguments, format);
  vsnprintf(error->detail, sizeof error->detail, format, arguments);
  va_end(arguments);
  return -1;
}

/* The date of a day since 1970, by eras of 400 years that start in March. The C library would read the time zone first. */
void oci_time(char text[OCI_TIME_SIZE]) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const unsigned days = (unsigned)(now.tv_sec / 86400) + 719468, second = (unsigned)(now.tv_sec % 86400);
  const unsigned era = days / 146097, of_era = days % 146097;
  const unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const unsigned of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
  snprintf(text, OCI_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%09luZ",
           (era * 400 + year + (month >= 10 ? 1 : 0)) % 10000, month < 10 ? month + 3 : month - 9,
           of_year - (153 * month + 2) / 5 + 1, second / 3600, second / 60 % 60, second % 60,
           (unsigned long)now.tv_nsec);
}

static const struct oci_option *find(const struct oci_option *options, const char *word, size_t length) {
  for (; options->name != NULL; options++) {
    if (strlen(options->name) == length && strncmp(options->name, word, length) == 0)
      return options;
    if (length == 1 && options->letter == word[0])
      return options;
  }
  return NULL;
}

int oci_options(const struct oci_option *options, int argc, char **argv, int *at, struct error *error) {
  int i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    const char *word = argv[i] + (argv[i][1] == '-' ? 2 : 1), *equals = strchr(word, '=');
    const struct oci_option *option = find(options, word, equals == NULL ? strlen(word) : (size_t)(equals - word));
    if (option == NULL)
      return oci_usage(error, "unknown flag \"%s\"", argv[i]);
    if (option->flag != NULL) {
      if (equals != NULL && strcmp(equals, "=true") != 0 && strcmp(equals, "=false") != 0)
        return oci_usage(error, "flag \"--%s\" takes no value", option->name);
      *option->flag = equals == NULL || strcmp(equals, "=true") == 0;
      continue;
    }
    if (equals == NULL && i + 1 >= argc)
      return oci_usage(error, "flag \"--%s\" needs a value", option->name);
    const char *value = equals == NULL ? argv[++i] : equals + 1;
    if (option->values != NULL)
      option->values[(*option->count)++] = value;
    else
      *option->value = value;
  }
  *at = i;
  return 0;
}

int oci_preserved_fds(const char *text, unsigned *count, struct error *error) {
  char *end;
  const unsigned long number = strtoul(text, &end, 10);
  if (text[0] == '\0' || *end != '\0' || number > 1024)
    return oci_usage(error, "flag \"--preserve-fds\" wants a number up to 1024");
  for (int fd = 3; fd < 3 + (int)number; fd++) {
    if (fcntl(fd, F_GETFD) < 0)
      return oci_usage(error, "flag \"--preserve-fds\": descriptor %d is not open", fd);
  }
  *count = (unsigned)number;
  return 0;
}

int oci_check_id(const char *id, struct error *error) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-";
  size_t length = strlen(id);
  if (length == 0 || length > 128 || strspn(id, letters) != length || id[0] == '.')
    return oci_usage(error, "invalid container id \"%s\": want letters, digits and _ + . -", id);
  return 0;
}

int oci_only_id(int argc, char **argv, int at, const char **id, struct error *error) {
  if (argc - at != 1)
    return oci_usage(error, "\"%s\" needs exactly one container id", argv[0]);
  *id = argv[at];
  return oci_check_id(*id, error);
}
