/* A descriptor arrives with its message, alone, and none stays open that nobody asked for. */
#include "fd_message.h"

#include <dirent.h>
#include <sys/socket.h>

#include "check.h"

static unsigned open_descriptors(void) {
  unsigned count = 0;
  DIR *entries = must(opendir("/proc/self/fd"));
  while (readdir(entries) != NULL)
    count++;
  closedir(entries);
  return count;
}

/* As a stranger may send them: several descriptors in one message. */
static void send_many(int socket, const int *fds, size_t count) {
  _Alignas(struct cmsghdr) char space[CMSG_SPACE(8 * sizeof(int))] = {0};
  char byte = 'x';
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  EXPECT(sendmsg(socket, &message, 0) == 1, "errno %d", errno);
}

int main(void) {
  int pair[2], fd = -2, files[8];
  char data[8] = "";
  EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "errno %d", errno);
  for (size_t i = 0; i < COUNT(files); i++)
    files[i] = memory_file(&"abcdefgh"[i], 1);
  const unsigned before = open_descriptors();

  EXPECT(fd_message_receive(pair[1], data, sizeof data, MSG_DONTWAIT, &fd) == -1 && errno == EAGAIN && fd == -1, "fd %d", fd);
  EXPECT(fd_message_send(pair[0], "plain", 5, -1) == 0, "errno %d", errno);
  EXPECT(fd_message_receive(pair[1], data, sizeof data, 0, &fd) == 5 && memcmp(data, "plain", 5) == 0 && fd == -1, "fd %d", fd);
  EXPECT(fd_message_send(pair[0], "with", 4, files[2]) == 0, "errno %d", errno);
  EXPECT(fd_message_receive(pair[1], data, sizeof data, 0, &fd) == 4 && fd >= 0, "fd %d", fd);
  EXPECT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 && pread(fd, data, 1, 0) == 1 && data[0] == 'c', "not the file that was sent");
  close(fd);

  for (size_t count = 1; count <= COUNT(files); count++) {
    send_many(pair[0], files, count);
    EXPECT(fd_message_receive(pair[1], data, sizeof data, 0, &fd) == 1 && fd >= 0, "%zu descriptors", count);
    close(fd);
    EXPECT(open_descriptors() == before, "of %zu descriptors, %u stayed", count, open_descriptors() - before);
  }

  close(pair[0]);
  EXPECT(fd_message_receive(pair[1], data, sizeof data, 0, &fd) == 0 && fd == -1, "no end");
  close(pair[1]);
  for (size_t i = 0; i < COUNT(files); i++)
    close(files[i]);
  return 0;
}
