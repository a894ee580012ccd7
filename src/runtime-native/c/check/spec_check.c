/* Feeds the parser of descriptions with good, broken and random input, under the sanitizers. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "spec.h"
#include "stage.h"
#include "syscalls.h"

#define ROUNDS 60000

struct buffer {
  uint8_t bytes[8192];
  size_t size;
};

static void put(struct buffer *buffer, const void *bytes, size_t size) {
  memcpy(buffer->bytes + buffer->size, bytes, size);
  buffer->size += size;
}

static void add_bytes(struct buffer *buffer, const char *key, const void *value, size_t size) {
  uint8_t head[6] = {(uint8_t)strlen(key), 0, (uint8_t)size, (uint8_t)(size >> 8), 0, 0};
  put(buffer, head, sizeof head);
  put(buffer, key, strlen(key));
  put(buffer, value, size);
  put(buffer, "", 1);
}

static void add(struct buffer *buffer, const char *key, const char *value) {
  add_bytes(buffer, key, value, strlen(value));
}

static const char *const required[][2] = {
    {"id", "abc-1"},       {"rootfs.readonly", "0"}, {"arg", "/bin/sh"},      {"arg", "-c"},
    {"cwd", "/work"},      {"cwd.owner", "user"},    {"user", "app:app"},     {"hostname", "box"},
    {"network", "bridge"},   {"etc.readonly", "1"},    {"shm.size", "67108864"}, {"no-new-privileges", "0"},
    {"insecure", "0"},     {"terminal", "0"},        {"stdin", "empty"},      {"remove-stubs", "1"},
};
static const char *const optional[][2] = {
    {"rootfs.lower", "/l1"}, {"rootfs.lower", "/l2"},   {"rootfs.upper", "/u"},     {"rootfs.work", "/w"},
    {"rootfs.volatile", "1"}, {"env", "A=1"},           {"env", "B="},              {"etc.hosts", "/h"},
    {"etc.hosts.name", "box"}, {"network.role", "service"}, {"network.bridge", "tsbuild0 10.1.0.0/16"},
    {"network.port", "tcp 0.0.0.0 8080 80"}, {"network.port", "udp 127.0.0.1 65535 1"},
    {"mount", "bind"},       {"mount.source", "/s"},    {"mount.target", "/t"},     {"mount.readonly", "1"},
    {"mount.recursive", "0"}, {"mount", "overlay"},     {"mount.target", "/o"},     {"mount.lower", "/l"},
    {"mount.subpath", "/p"}, {"mount", "tmpfs"},        {"mount.target", "/m"},     {"mount.size", "4096"},
    {"resource.memory", "8388608"}, {"resource.memory-swap", "same"}, {"resource.pids", "unlimited"},
    {"resource.cpuset-cpus", "0-3,7"}, {"resource.parent", "/a/b"}, {"resource.memory-swappiness", "0"},
    {"oom-score-adj", "-17"}, {"runtime", "/usr/bin/crun"}, {"runtime.flag", "--x=y"}, {"mount.mode", "1023"},  {"rlimit", "nofile"},      {"rlimit.soft", "10"},      {"rlimit.hard", "unlimited"},
};

/* A whole description without the record `skip`, which may be none. */
static void build(struct buffer *buffer, size_t skip) {
  buffer->size = 0;
  put(buffer, SPEC_MAGIC, strlen(SPEC_MAGIC));
  for (size_t i = 0; i < COUNT(required); i++) {
    if (i != skip)
      add(buffer, required[i][0], required[i][1]);
  }
  for (size_t i = 0; i < COUNT(optional); i++)
    add(buffer, optional[i][0], optional[i][1]);
}

/* Parses a copy of exactly the right size, so that the sanitizer sees a read behind its end. */
static int parse(const struct buffer *buffer, struct container_spec *spec, struct error *error) {
  static uint8_t *copy;
  free(copy);
  copy = malloc(buffer->size > 0 ? buffer->size : 1);
  if (copy == NULL)
    abort();
  memcpy(copy, buffer->bytes, buffer->size);
  *spec = (struct container_spec){0};
  *error = (struct error){0};
  int result = spec_parse(copy, buffer->size, spec, error);
  if ((result < 0) != (error->stage == STAGE_SPEC)) {
    fprintf(stderr, "spec: result %d with stage %u\n", result, error->stage);
    exit(1);
  }
  return result;
}

static void expect_rejected(const struct buffer *buffer, const char *what) {
  struct container_spec spec;
  struct error error;
  if (parse(buffer, &spec, &error) == 0) {
    fprintf(stderr, "spec: accepted %s\n", what);
    exit(1);
  }
  spec_free(&spec);
}

static void expect(bool holds, const char *what) {
  if (holds)
    return;
  fprintf(stderr, "spec: %s\n", what);
  exit(1);
}

static void check_good(void) {
  struct buffer buffer;
  struct container_spec spec;
  struct error error;
  build(&buffer, SIZE_MAX);
  add(&buffer, "end", "");
  expect(parse(&buffer, &spec, &error) == 0, error.detail);
  expect(spec.args.count == 2 && strcmp(spec.args.items[1], "-c") == 0 && spec.args.items[2] == NULL, "args");
  expect(spec.rootfs.lower.count == 2 && strcmp(spec.rootfs.lower.items[0], "/l1") == 0, "lower");
  /* Between the seven standard ones and the files of /etc. */
  const struct mount_spec *mounts = spec.mounts + 7;
  expect(spec.mount_count == 11 && mounts[0].flags.set == MOUNT_ATTR_RDONLY && !mounts[0].recursive, "mounts");
  expect(mounts[2].option_count == 2 && strcmp(mounts[2].options[0].value, "1777") == 0 &&
             strcmp(mounts[2].options[1].value, "4096") == 0,
         "tmpfs");
  expect(strcmp(mounts[3].target, "/etc/hosts") == 0, "etc");
  expect(spec.rlimit_count == 1 && spec.rlimits[0].soft == 10, "rlimit");
  expect(spec.network.kind == NETWORK_BRIDGE && spec.network.role == NET_SERVICE, "network");
  expect(spec.cwd_owned_by_user && !spec.open_stdin, "words");
  expect(spec.resources.memory == 8 << 20 && spec.resources.memory_swap == CGROUP_SAME, "memory");
  expect(spec.resources.pids == CGROUP_UNLIMITED && spec.resources.has_swappiness, "pids");
  expect(strcmp(spec.resources.cpuset_cpus, "0-3,7") == 0 && strcmp(spec.resources.parent, "/a/b") == 0, "strings");
  expect(spec.has_oom_score && spec.oom_score == -17, "score");
  spec_free(&spec);
}

static void check_bad(void) {
  static const char *const records[][2] = {
      {"unknown", "1"},       {"id", "again"},           {"mount.bogus", "1"},      {"mount", "nfs"},
      {"rlimit", "bogus"},    {"env", "NOVALUE"},        {"env", "=x"},             {"rootfs.lower", "relative"},
      {"mount.mode", "4096"}, {"mount.size", "-1"},      {"rlimit.soft", "1 "},     {"rootfs.directory", "/d"},
      {"mount.source", "/x"}, {"rlimit.soft", "99999999999999999999"},              {"mount", "bind"},
      {"rlimit", "core"},     {"end", "x"},
      {"resource.bogus", "1"}, {"resource.memory", "1"}, {"resource.cpu-shares", "1"}, {"resource.cpu-quota", "999"},
      {"resource.cpu-period", "1000001"}, {"resource.memory-reservation", "8388609"}, {"resource.accounting", "yes"},
      {"resource.cpuset-mems", "0\n1"}, {"resource.cpuset-mems", ""}, {"oom-score-adj", "1"}, {"resource.pids", "-1"},
  };
  struct buffer buffer;
  for (size_t i = 0; i < COUNT(records); i++) {
    build(&buffer, SIZE_MAX);
    add(&buffer, records[i][0], records[i][1]);
    add(&buffer, "end", "");
    expect_rejected(&buffer, records[i][0]);
  }
  for (size_t i = 0; i < COUNT(required); i++) {
    if (strcmp(required[i][0], "arg") == 0)
      continue;
    build(&buffer, i);
    add(&buffer, "end", "");
    expect_rejected(&buffer, "a description that lacks a key");
  }
  build(&buffer, SIZE_MAX);
  expect_rejected(&buffer, "a description without an end");
  add_bytes(&buffer, "arg", "a\0b", 3);
  add(&buffer, "end", "");
  expect_rejected(&buffer, "a NUL");
  build(&buffer, SIZE_MAX);
  add(&buffer, "end", "");
  put(&buffer, "x", 1);
  expect_rejected(&buffer, "bytes after the end");
  static const char *const ids[] = {"", ".", "..", "a/b", "A", "-a", "a b"};
  for (size_t i = 0; i < COUNT(ids); i++) {
    build(&buffer, 0);
    add(&buffer, "id", ids[i]);
    add(&buffer, "end", "");
    expect_rejected(&buffer, ids[i]);
  }
}

static void check_random(void) {
  struct buffer buffer;
  struct container_spec spec;
  struct error error;
  unsigned accepted = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    if (round % 4 == 0) {
      buffer.size = draw(512);
      for (size_t i = 0; i < buffer.size; i++)
        buffer.bytes[i] = (uint8_t)draw(256);
      if (buffer.size >= strlen(SPEC_MAGIC))
        memcpy(buffer.bytes, SPEC_MAGIC, strlen(SPEC_MAGIC));
    } else {
      build(&buffer, SIZE_MAX);
      add(&buffer, "end", "");
      mutate(buffer.bytes, &buffer.size);
    }
    accepted += parse(&buffer, &spec, &error) == 0;
    spec_free(&spec);
  }
  printf("spec: %u inputs, %u of them valid\n", ROUNDS, accepted);
}

int main(void) {
  check_good();
  check_bad();
  check_random();
  return 0;
}
