/* What another runtime says when it fails. */
#ifndef TSBUILD_EXTERNAL_LOG_H
#define TSBUILD_EXTERNAL_LOG_H

#include <stddef.h>

#include "error.h"

/*
 * Reads the log of a runtime whose `command` has failed, one JSON object a line as runc and crun write them, and fails as
 * this program's own runtime does where the container's `argument` 0 is why. Takes the text apart.
 */
int external_log_error(char *log, size_t size, const char *argument, const char *command, struct error *error);

#endif
