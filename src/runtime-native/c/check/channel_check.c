/* Messages of the channel: whole ones arrive as sent in whatever pieces, and what is none is told apart from them. */
#include "channel.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"
#include "spec.h"

#define ROUNDS 400

static void open_pair(int ends[2]) {
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "errno %d", errno);
  int small = 2048;
  setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
}

static void fill(uint8_t *data, size_t size, unsigned seed) {
  for (size_t i = 0; i < size; i++)
    data[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

/* Another process sends; the socket takes a little at a time. */
static void check_round_trips(void) {
  static uint8_t data[300000];
  size_t sizes[ROUNDS];
  for (size_t i = 0; i < ROUNDS; i++)
    sizes[i] = i == 7 ? sizeof data : draw(i % 5 == 0 ? 70000 : 64);
  int ends[2];
  open_pair(ends);
  pid_t sender = fork();
  EXPECT(sender >= 0, "errno %d", errno);
  if (sender == 0) {
    close(ends[1]);
    for (unsigned i = 0; i < ROUNDS; i++) {
      fill(data, sizes[i], i);
      if (!channel_send(ends[0], i, MESSAGE_STDOUT, data, sizes[i]))
        _exit(1);
    }
    _exit(0);
  }
  close(ends[0]);
  struct message_head head;
  uint8_t *received;
  for (unsigned i = 0; i < ROUNDS; i++) {
    EXPECT(channel_receive(ends[1], &head, &received), "message %u", i);
    EXPECT(head.container == i && head.kind == MESSAGE_STDOUT && head.size == sizes[i], "message %u", i);
    fill(data, sizes[i], i);
    EXPECT((received == NULL) == (sizes[i] == 0), "message %u", i);
    EXPECT(received == NULL || (memcmp(received, data, sizes[i]) == 0 && received[sizes[i]] == '\0'), "message %u", i);
    free(received);
  }
  EXPECT(!channel_receive(ends[1], &head, &received) && received == NULL, "the end");
  int status;
  EXPECT(waitpid(sender, &status, 0) == sender && status == 0, "status %d", status);
  close(ends[1]);
}

static bool receive(const void *bytes, size_t size) {
  int fd = memory_file(bytes, size);
  struct message_head head;
  uint8_t *data;
  bool whole = channel_receive(fd, &head, &data);
  EXPECT(whole || data == NULL, "data of no message");
  free(data);
  close(fd);
  return whole;
}

static void check_broken(void) {
  struct {
    struct message_head head;
    char data[4];
  } message = {.head = {1, MESSAGE_SIGNAL, 4}};
  for (size_t size = 0; size < sizeof message; size++)
    EXPECT(!receive(&message, size), "cut after %zu bytes", size);
  EXPECT(receive(&message, sizeof message), "a whole message");
  static const uint32_t sizes[] = {SPEC_SIZE_MAX, SPEC_SIZE_MAX + 1, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    message.head.size = sizes[i];
    EXPECT(!receive(&message, sizeof message), "a size of %u", sizes[i]);
  }
}

static void check_gone(void) {
  int ends[2];
  open_pair(ends);
  close(ends[1]);
  /* Without a signal, which would end the helper. */
  EXPECT(!channel_send(ends[0], 1, MESSAGE_STATUS, "x", 1), "sent to nobody");
  close(ends[0]);
}

int main(void) {
  check_round_trips();
  check_broken();
  check_gone();
  printf("channel: %d messages\n", ROUNDS);
  return 0;
}
