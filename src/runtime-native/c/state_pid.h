/*
 * The process id in the text of a container's state. The text is made before the process, which is told of in it: it has room
 * for a number, filled with spaces, which JSON allows there.
 */
#ifndef TSBUILD_STATE_PID_H
#define TSBUILD_STATE_PID_H

#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#define STATE_PID_NAME "\"pid\":"
#define STATE_PID STATE_PID_NAME "0         "

static inline void state_set_pid(char *text, pid_t pid) {
  char number[sizeof STATE_PID], *at = strstr(text, STATE_PID);
  if (at == NULL)
    return;
  snprintf(number, sizeof number, STATE_PID_NAME "%-10d", (int)pid);
  memcpy(at, number, strlen(STATE_PID));
}

#endif
