/* Runs the generated filter in an interpreter and compares its answer for every call with the tables it is made of. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seccomp.h"

#define DENY (SECCOMP_RET_ERRNO | EPERM)

static struct sock_filter program[SECCOMP_PROGRAM_MAX];
static size_t length;
static unsigned long checked;

static _Noreturn void broken(const char *what, size_t at) {
  fprintf(stderr, "seccomp: %s at %zu\n", what, at);
  exit(1);
}

/* Classic BPF, as far as the filter uses it. *steps counts the instructions. */
static uint32_t interpret(const struct seccomp_data *data, unsigned *steps) {
  uint32_t accumulator = 0;
  *steps = 0;
  for (size_t at = 0; at < length; at++) {
    const struct sock_filter *instruction = &program[at];
    ++*steps;
    switch (instruction->code) {
    case BPF_LD | BPF_W | BPF_ABS:
      if (instruction->k % 4 != 0 || instruction->k > sizeof *data - 4)
        broken("load out of range", at);
      memcpy(&accumulator, (const char *)data + instruction->k, 4);
      break;
    case BPF_JMP | BPF_JA:
      at += instruction->k;
      break;
    case BPF_JMP | BPF_JEQ | BPF_K:
      at += accumulator == instruction->k ? instruction->jt : instruction->jf;
      break;
    case BPF_JMP | BPF_JGE | BPF_K:
      at += accumulator >= instruction->k ? instruction->jt : instruction->jf;
      break;
    case BPF_JMP | BPF_JSET | BPF_K:
      at += accumulator & instruction->k ? instruction->jt : instruction->jf;
      break;
    case BPF_RET | BPF_K:
      return instruction->k;
    default:
      broken("unknown instruction", at);
    }
  }
  broken("end of the program", length);
}

static bool is_conditional(const struct seccomp_table *table, uint32_t number) {
  for (size_t i = 0; i < CONDITION_COUNT; i++) {
    if (table->conditional[i] == number)
      return true;
  }
  return false;
}

/* What the tables say about a call whose arguments do not matter. */
static bool is_allowed(uint32_t arch, uint32_t number) {
  for (const struct seccomp_table *const *table = seccomp_tables; *table != NULL; table++) {
    for (size_t i = 0; (*table)->arch == arch && i < (*table)->allowed_count; i++) {
      if ((*table)->allowed[i] == number)
        return true;
    }
  }
  return false;
}

static bool is_conditional_anywhere(uint32_t arch, uint32_t number) {
  for (const struct seccomp_table *const *table = seccomp_tables; *table != NULL; table++) {
    if ((*table)->arch == arch && is_conditional(*table, number))
      return true;
  }
  return false;
}

static void expect(uint32_t arch, uint32_t number, uint64_t argument, uint32_t wanted) {
  struct seccomp_data data = {.nr = (int)number, .arch = arch, .args = {argument}};
  unsigned steps;
  uint32_t answer = interpret(&data, &steps);
  checked++;
  if (answer == wanted && steps <= 32)
    return;
  fprintf(stderr, "seccomp: arch %08x call %u argument %llx: %08x in %u steps, not %08x\n", arch, number,
          (unsigned long long)argument, answer, steps, wanted);
  exit(1);
}

static void check_numbers(uint32_t arch, uint32_t first, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t number = first + i;
    if (!is_conditional_anywhere(arch, number))
      expect(arch, number, 0, is_allowed(arch, number) ? SECCOMP_RET_ALLOW : DENY);
  }
}

static void check_conditions(const struct seccomp_table *table) {
  const uint32_t arch = table->arch;
  const uint32_t *calls = table->conditional;
  for (uint64_t family = 0; family < 64; family++)
    expect(arch, calls[CONDITION_SOCKET], family, family == 38 || family == 40 ? DENY : SECCOMP_RET_ALLOW);
  static const uint64_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
  for (size_t i = 0; i < sizeof personalities / sizeof personalities[0]; i++) {
    expect(arch, calls[CONDITION_PERSONALITY], personalities[i], SECCOMP_RET_ALLOW);
    expect(arch, calls[CONDITION_PERSONALITY], personalities[i] ^ 0x40, DENY);
    expect(arch, calls[CONDITION_PERSONALITY], personalities[i] | UINT64_C(1) << 32, DENY);
  }
  for (unsigned bit = 0; bit < 32; bit++) {
    uint64_t flag = UINT64_C(1) << bit;
    expect(arch, calls[CONDITION_CLONE], flag, flag & 0x7e020000 ? DENY : SECCOMP_RET_ALLOW);
  }
  expect(arch, calls[CONDITION_CLONE3], 0, SECCOMP_RET_ERRNO | ENOSYS);
}

/* Conditional jumps of every distance, which the real tables are too small for. */
static void check_large_table(void) {
  static uint32_t scattered[700];
  for (size_t i = 0; i < 700; i++)
    scattered[i] = (uint32_t)i * 3 + 1;
  const struct seccomp_table table = {.arch = AUDIT_ARCH_X86_64,
                                      .allowed = scattered,
                                      .allowed_count = 700,
                                      .conditional = {3000, 3001, 3002, 3003}};
  const struct seccomp_table *const tables[] = {&table, NULL};
  length = seccomp_program(tables, program, SECCOMP_PROGRAM_MAX);
  if (length == 0)
    broken("a large table does not fit", 0);
  for (uint32_t number = 0; number < 2990; number++)
    expect(AUDIT_ARCH_X86_64, number, 0, number % 3 == 1 && number < 2100 ? SECCOMP_RET_ALLOW : DENY);
  if (seccomp_program(tables, program, 100) != 0)
    broken("a program was cut off", 100);
}

int main(void) {
  length = seccomp_program(seccomp_tables, program, SECCOMP_PROGRAM_MAX);
  if (length == 0)
    broken("no program", 0);
  printf("seccomp: %zu instructions, ", length);
  for (const struct seccomp_table *const *table = seccomp_tables; *table != NULL; table++) {
    check_numbers((*table)->arch, 0, 2048);
    check_numbers((*table)->arch, 0x40000000, 2048);
    check_numbers((*table)->arch, UINT32_MAX - 16, 16);
    expect((*table)->arch, UINT32_MAX, 0, DENY);
    check_conditions(*table);
  }
  /* An architecture that nobody asked for. */
  for (uint32_t number = 0; number < 512; number++)
    expect(AUDIT_ARCH_S390, number, 0, DENY);
  check_large_table();
  printf("%lu answers\n", checked);
  return 0;
}
