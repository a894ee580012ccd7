#include "device_rules.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "io.h"
#include "syscalls.h"

static int write_line(int directory, const char *file, const char *line) {
  cleanup_fd int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);
  return fd < 0 ? -1 : write_all(fd, line, strlen(line));
}

static size_t write_number(char *to, size_t size, int64_t number) {
  return (size_t)(number < 0 ? snprintf(to, size, "*") : snprintf(to, size, "%lld", (long long)number));
}

/* `c 1:3 rwm`, as the kernel reads it. */
static void write_rule(char *to, size_t size, const struct device_rule *rule) {
  char major[24], minor[24];
  write_number(major, sizeof major, rule->major);
  write_number(minor, sizeof minor, rule->minor);
  snprintf(to, size, "%c %s:%s %s%s%s", rule->type, major, minor, rule->access & DEVICE_READ ? "r" : "",
           rule->access & DEVICE_WRITE ? "w" : "", rule->access & DEVICE_MKNOD ? "m" : "");
}

#define ALL (DEVICE_READ | DEVICE_WRITE | DEVICE_MKNOD)

static bool is_all(const struct device_rule *rule) {
  return rule->type == 'a' && rule->major < 0 && rule->minor < 0 && rule->access == ALL;
}

static int apply_v1(int directory, const struct device_rule *rule) {
  char line[64] = "a";
  if (!is_all(rule))
    write_rule(line, sizeof line, rule);
  int result = write_line(directory, rule->allow ? "devices.allow" : "devices.deny", line);
  /* An outer group that denies one of these wins: the container then does not get it. */
  return result < 0 && rule->allow && errno == EPERM ? 0 : result;
}

int device_rules_v1(int directory, const struct device_rule *rules, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct device_rule rule = rules[i];
    /* `a` means more than both types there: whatever follows it is ignored. */
    if (rule.type == 'a' && !is_all(&rule)) {
      rule.type = 'b';
      if (apply_v1(directory, &rule) < 0)
        return -1;
      rule.type = 'c';
    }
    if (apply_v1(directory, &rule) < 0)
      return -1;
  }
  return 0;
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

/*
 * r2 = access, r3 = type, r4 = major, r5 = minor; the answer is 1 for yes. The last rule that fits decides, so they are asked
 * from the end. One that allows must allow all that is asked for; one that denies need only touch it.
 */
static struct bpf_insn *write_check(struct bpf_insn *at, const struct device_rule *rule) {
  /* Jumps to what follows the answer are set when that place is known. */
  struct bpf_insn *skips[4];
  size_t skip_count = 0;
  if (rule->type != 'a') {
    skips[skip_count++] = at;
    *at++ = jump(BPF_JNE, BPF_REG_3, rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, 0);
  }
  if (rule->access != ALL) {
    *at++ = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_2};
    *at++ = (struct bpf_insn){.code = BPF_ALU64 | BPF_AND | BPF_K,
                              .dst_reg = BPF_REG_1,
                              .imm = (int32_t)(rule->allow ? ~rule->access & ALL : rule->access)};
    skips[skip_count++] = at;
    *at++ = jump(rule->allow ? BPF_JNE : BPF_JEQ, BPF_REG_1, 0, 0);
  }
  if (rule->major >= 0) {
    skips[skip_count++] = at;
    *at++ = jump(BPF_JNE, BPF_REG_4, (uint32_t)rule->major, 0);
  }
  if (rule->minor >= 0) {
    skips[skip_count++] = at;
    *at++ = jump(BPF_JNE, BPF_REG_5, (uint32_t)rule->minor, 0);
  }
  *at++ = set(BPF_REG_0, rule->allow);
  *at++ = leave;
  while (skip_count-- > 0)
    skips[skip_count]->off = (int16_t)(at - skips[skip_count] - 1);
  return at;
}

#define HEAD_SIZE 8
#define CHECK_SIZE 8

_Static_assert((int)DEVICE_MKNOD == BPF_DEVCG_ACC_MKNOD && (int)DEVICE_READ == BPF_DEVCG_ACC_READ &&
                   (int)DEVICE_WRITE == BPF_DEVCG_ACC_WRITE,
               "accesses are compared as they are");

static size_t device_program(const struct device_rule *rules, size_t count, struct bpf_insn *out) {
  struct bpf_insn *at = out;
  *at++ = load(BPF_REG_2, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type));
  *at++ = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_2};
  *at++ = (struct bpf_insn){.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = BPF_REG_3, .imm = 0xffff};
  *at++ = (struct bpf_insn){.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_2, .imm = 16};
  *at++ = load(BPF_REG_4, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major));
  *at++ = load(BPF_REG_5, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor));
  while (count-- > 0) {
    at = write_check(at, &rules[count]);
    /* Nothing gets past a rule for everything, and the kernel refuses what it cannot reach. */
    if (is_all(&rules[count]))
      return (size_t)(at - out);
  }
  *at++ = set(BPF_REG_0, 1);
  *at++ = leave;
  return (size_t)(at - out);
}

int device_rules_v2(int directory, const struct device_rule *rules, size_t count) {
  cleanup_free struct bpf_insn *program = calloc(HEAD_SIZE + CHECK_SIZE * count, sizeof *program);
  if (program == NULL)
    return -1;
  union bpf_attr attr = {0};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insn_cnt = (uint32_t)device_program(rules, count, program);
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
