/* A container that runs in the foreground: its signals, its terminal, its end. */
#ifndef TSBUILD_OCI_ATTACH_H
#define TSBUILD_OCI_ATTACH_H

#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "error.h"

/* The size of the caller's terminal; false when it has none. */
bool oci_caller_size(struct winsize *size);

/*
 * Blocks the signals that `oci_attend` forwards, so that none is lost before; hooks and the container unblock them again.
 */
void oci_block_signals(void);

/* Forwards signals to the process, and stdio to the master of its terminal unless that is -1, to its end: the wait status. */
int oci_attend(pid_t pid, int master, int *wait_status, struct error *error);

/* Sends the master of a terminal to whoever listens at the socket. */
int oci_send_master(const char *path, int master, struct error *error);

#endif
