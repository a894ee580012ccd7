#include "device_rules.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "io.h"
#include "syscalls.h"

#define ANY_MINOR UINT32_MAX

/* Character devices with full access: null zero full random urandom tty console ptmx, and all pseudo terminals. */
static const struct {
  uint32_t major;
  uint32_t minor;
} allowed[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, ANY_MINOR}};

#define ALLOWED_COUNT (sizeof allowed / sizeof allowed[0])

static int write_line(int directory, const char *file, const char *line) {
  cleanup_fd int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);
  return fd < 0 ? -1 : write_all(fd, line, strlen(line));
}

int device_rules_v1(int directory) {
  if (write_line(directory, "devices.deny", "a") < 0)
    return -1;
  /* An outer group that denies one of these wins: the container then does not get it. */
  char line[48];
  for (size_t i = 0; i < ALLOWED_COUNT; i++) {
    if (allowed[i].minor == ANY_MINOR)
      snprintf(line, sizeof line, "c %u:* rwm", allowed[i].major);
    else
      snprintf(line, sizeof line, "c %u:%u rwm", allowed[i].major, allowed[i].minor);
    if (write_line(directory, "devices.allow", line) < 0 && errno != EPERM)
      return -1;
  }
  if (write_line(directory, "devices.allow", "b *:* m") < 0 && errno != EPERM)
    return -1;
  return write_line(directory, "devices.allow", "c *:* m") < 0 && errno != EPERM ? -1 : 0;
}

static struct bpf_insn load(uint8_t to, uint8_t from, size_t offset) {
  return (struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = to, .src_reg = from, .off = (int16_t)offset};
}

static struct bpf_insn jump(uint8_t condition, uint8_t reg, uint32_t value, int16_t offset) {
  return (struct bpf_insn){
      .code = (uint8_t)(BPF_JMP | condition | BPF_K), .dst_reg = reg, .off = offset, .imm = (int32_t)value};
}

static struct bpf_insn set(uint8_t reg, int32_t value) {
  return (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = reg, .imm = value};
}

static const struct bpf_insn leave = {.code = BPF_JMP | BPF_EXIT};

/* r2 = access type, r3 = device type, r4 = major, r5 = minor; the answer is 1 for yes. */
static size_t device_program(struct bpf_insn *out) {
  struct bpf_insn *at = out;
  *at++ = load(BPF_REG_2, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type));
  *at++ = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_2};
  *at++ = (struct bpf_insn){.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = BPF_REG_3, .imm = 0xffff};
  *at++ = (struct bpf_insn){.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_2, .imm = 16};
  *at++ = load(BPF_REG_4, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major));
  *at++ = load(BPF_REG_5, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor));
  /* mknod alone is always allowed. */
  *at++ = jump(BPF_JNE, BPF_REG_2, BPF_DEVCG_ACC_MKNOD, 2);
  *at++ = set(BPF_REG_0, 1);
  *at++ = leave;
  *at++ = jump(BPF_JEQ, BPF_REG_3, BPF_DEVCG_DEV_CHAR, 2);
  *at++ = set(BPF_REG_0, 0);
  *at++ = leave;
  for (size_t i = 0; i < ALLOWED_COUNT; i++) {
    bool any = allowed[i].minor == ANY_MINOR;
    *at++ = jump(BPF_JNE, BPF_REG_4, allowed[i].major, any ? 2 : 3);
    if (!any)
      *at++ = jump(BPF_JNE, BPF_REG_5, allowed[i].minor, 2);
    *at++ = set(BPF_REG_0, 1);
    *at++ = leave;
  }
  *at++ = set(BPF_REG_0, 0);
  *at++ = leave;
  return (size_t)(at - out);
}

int device_rules_v2(int directory) {
  struct bpf_insn program[16 + 4 * ALLOWED_COUNT];
  union bpf_attr attr = {0};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insn_cnt = (uint32_t)device_program(program);
  attr.insns = (uint64_t)(uintptr_t)program;
  /* The license decides which helpers may be called; none is. */
  attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
  cleanup_fd int loaded = (int)syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  if (loaded < 0)
    return -1;
  union bpf_attr attach = {0};
  attach.target_fd = (uint32_t)directory;
  attach.attach_bpf_fd = (uint32_t)loaded;
  attach.attach_type = BPF_CGROUP_DEVICE;
  /* Stays attached until the group is removed. */
  return (int)syscall(__NR_bpf, BPF_PROG_ATTACH, &attach, sizeof attach);
}
