/* Messages on Unix sockets that carry one open descriptor (SCM_RIGHTS, unix(7)). */
#ifndef TSBUILD_FD_MESSAGE_H
#define TSBUILD_FD_MESSAGE_H

#include <stddef.h>
#include <sys/types.h>

/* Sends a message, with `fd` unless that is negative. -1 with errno. */
int fd_message_send(int socket, const void *data, size_t size, int fd);

/*
 * Receives a message of at most `size` bytes; *fd becomes the descriptor that came with it, or -1. `flags` are recvmsg's. Its
 * size, 0 at the end, -1 with errno.
 */
ssize_t fd_message_receive(int socket, void *data, size_t size, int flags, int *fd);

#endif
