/* JSON as output. */
#ifndef TSBUILD_JSON_WRITE_H
#define TSBUILD_JSON_WRITE_H

#include <stdio.h>

#include "json.h"

/* A string with its quotes. */
void json_write_string(FILE *out, const char *text);
/* Any value that was read. */
void json_write(FILE *out, const struct json *value);

#endif
