#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct error *error, uint32_t stage, int code, const char *format, ...) {
  error->stage = stage;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  if (vsnprintf(error->detail, sizeof error->detail, format, arguments) < 0)
    error->detail[0] = '\0';
  va_end(arguments);
  return -1;
}
