/* Bytes through a relay, between ends that are slow, full or gone. */
#include "relay.h"

#include <signal.h>
#include <sys/socket.h>

#include "check.h"

#define ROUNDS 60
#define TOTAL 400000

static uint8_t taken[TOTAL];
static size_t taken_size;

static void take(void *context, const void *data, size_t size) {
  EXPECT(context == &taken_size && taken_size + size <= TOTAL, "%zu bytes", size);
  memcpy(taken + taken_size, data, size);
  taken_size += size;
}

static uint8_t byte_at(size_t at) { return (uint8_t)(at * 31 + (at >> 9)); }

enum way { TO_PIPE, TO_SHARED_PIPE, TO_SOCKET, TO_FUNCTION, WAYS };

static void open_way(enum way way, int ends[2]) {
  int status = way == TO_SOCKET ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) : pipe2(ends, O_CLOEXEC);
  EXPECT(status == 0, "errno %d", errno);
  if (way != TO_SOCKET)
    return;
  /* socketpair's first end reads here, as a pipe's does. */
  int small = 4096;
  setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
}

static bool turn(struct relay *relay) {
  struct pollfd entry;
  relay_poll(relay, &entry);
  EXPECT(poll(&entry, 1, 0) >= 0, "errno %d", errno);
  return relay_move(relay, &entry);
}

/* Writes at most `limit` bytes of the pattern; the end is non-blocking. */
static size_t feed(int fd, size_t at, size_t limit) {
  uint8_t piece[9000];
  size_t size = limit < sizeof piece ? limit : sizeof piece;
  for (size_t i = 0; i < size; i++)
    piece[i] = byte_at(at + i);
  ssize_t written = write(fd, piece, size);
  return written < 0 ? 0 : (size_t)written;
}

static void check_bytes(enum way way) {
  int in[2], out[2];
  static struct relay relay;
  EXPECT(pipe2(in, O_CLOEXEC | O_NONBLOCK) == 0, "errno %d", errno);
  open_way(way, out);
  fcntl(in[0], F_SETFL, 0);
  taken_size = 0;
  const size_t total = draw(4) == 0 ? draw(100) : draw(TOTAL);
  if (way == TO_FUNCTION)
    relay_open_to(&relay, in[0], take, &taken_size);
  else
    relay_open(&relay, in[0], out[1], way == TO_SHARED_PIPE, true);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  size_t fed = 0;
  bool ended = false;
  while (!relay_is_done(&relay) || taken_size < total) {
    if (fed < total && draw(3) != 0)
      fed += feed(in[1], fed, 1 + draw(9000) < total - fed ? 1 + draw((uint32_t)(total - fed < 9000 ? total - fed : 9000)) : total - fed);
    if (fed == total && !ended) {
      ended = true;
      close(in[1]);
    }
    for (uint32_t turns = draw(4); turns > 0; turns--)
      turn(&relay);
    if (way == TO_FUNCTION || draw(2) == 0)
      continue;
    ssize_t got = read(out[0], taken + taken_size, 1 + draw(20000) < TOTAL - taken_size ? 1 + draw(20000) % (uint32_t)(TOTAL - taken_size) : TOTAL - taken_size);
    if (got > 0)
      taken_size += (size_t)got;
  }
  if (!ended)
    close(in[1]);
  EXPECT(taken_size == total, "way %d: %zu of %zu bytes", way, taken_size, total);
  for (size_t i = 0; i < total; i++)
    EXPECT(taken[i] == byte_at(i), "way %d: byte %zu", way, i);
  uint8_t byte;
  if (way != TO_FUNCTION)
    EXPECT(read(out[0], &byte, 1) == 0, "way %d: its end is not passed on", way);
  else
    close(out[1]);
  close(out[0]);
  relay_close(&relay);
}

/* The writer shall notice that nobody reads any more. */
static void check_gone(enum way way) {
  int in[2], out[2];
  static struct relay relay;
  EXPECT(pipe2(in, O_CLOEXEC | O_NONBLOCK) == 0, "errno %d", errno);
  open_way(way, out);
  relay_open(&relay, in[0], out[1], way == TO_SHARED_PIPE, true);
  EXPECT(feed(in[1], 0, 100) == 100, "errno %d", errno);
  close(out[0]);
  for (unsigned turns = 0; turns < 4; turns++)
    turn(&relay);
  EXPECT(relay_is_done(&relay) && relay.from == -1 && relay.to == -1, "way %d", way);
  EXPECT(write(in[1], "x", 1) == -1 && errno == EPIPE, "errno %d", errno);
  close(in[1]);
  relay_close(&relay);
}

/* Closed with bytes in it: their memory goes too, which the sanitizer sees. */
static void check_closed(void) {
  int in[2], out[2];
  static struct relay relay;
  EXPECT(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "errno %d", errno);
  relay_open(&relay, in[0], out[1], false, true);
  EXPECT(write(in[1], "bytes", 5) == 5 && turn(&relay) && relay_is_full(&relay) && !relay_is_done(&relay), "no bytes");
  relay_close(&relay);
  EXPECT(relay_is_done(&relay), "not done");
  close(in[1]);
  close(out[0]);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (enum way way = 0; way < WAYS; way++)
      check_bytes(way);
  }
  for (enum way way = 0; way < TO_FUNCTION; way++)
    check_gone(way);
  check_closed();
  printf("relay: %d streams\n", ROUNDS * WAYS);
  return 0;
}
