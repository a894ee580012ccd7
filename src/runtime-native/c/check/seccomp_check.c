/* Runs generated filters in an interpreter and compares their answers with what they are made of. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seccomp.h"

#define DENY (SECCOMP_RET_ERRNO | EPERM)

static struct seccomp_program made;
static const struct sock_filter *program = made.instructions;
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
    case BPF_JMP | BPF_JGT | BPF_K:
      at += accumulator > instruction->k ? instruction->jt : instruction->jf;
      break;
    case BPF_ALU | BPF_AND | BPF_K:
      accumulator &= instruction->k;
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
  for (size_t i = 0; i < SPECIAL_COUNT; i++) {
    if (table->special[i] == number)
      return true;
  }
  return false;
}

/* What the tables say about a call whose arguments do not matter. */
static bool is_allowed(uint32_t arch, uint32_t number) {
  for (size_t at = 0; at < seccomp_table_count; at++) {
    const struct seccomp_table *table = seccomp_tables[at];
    for (size_t i = 0; table->arch == arch && i < table->allowed_count; i++) {
      if (table->allowed[i] == number)
        return true;
    }
  }
  return false;
}

static bool is_conditional_anywhere(uint32_t arch, uint32_t number) {
  for (size_t at = 0; at < seccomp_table_count; at++) {
    if (seccomp_tables[at]->arch == arch && is_conditional(seccomp_tables[at], number))
      return true;
  }
  return false;
}

static void expect(uint32_t arch, uint32_t number, uint64_t argument, uint32_t wanted) {
  struct seccomp_data data = {.nr = (int)number, .arch = arch, .args = {argument}};
  unsigned steps;
  uint32_t answer = interpret(&data, &steps);
  checked++;
  if (answer == wanted && steps <= 40)
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
  const uint32_t *calls = table->special;
  for (uint64_t family = 0; family < 64; family++)
    expect(arch, calls[SPECIAL_SOCKET], family, family == 38 || family == 40 ? DENY : SECCOMP_RET_ALLOW);
  static const uint64_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
  for (size_t i = 0; i < sizeof personalities / sizeof personalities[0]; i++) {
    expect(arch, calls[SPECIAL_PERSONALITY], personalities[i], SECCOMP_RET_ALLOW);
    expect(arch, calls[SPECIAL_PERSONALITY], personalities[i] ^ 0x40, DENY);
    expect(arch, calls[SPECIAL_PERSONALITY], personalities[i] | UINT64_C(1) << 32, DENY);
  }
  for (unsigned bit = 0; bit < 32; bit++) {
    uint64_t flag = UINT64_C(1) << bit;
    expect(arch, calls[SPECIAL_CLONE], flag, flag & 0x7e020000 ? DENY : SECCOMP_RET_ALLOW);
  }
  expect(arch, calls[SPECIAL_CLONE3], 0, SECCOMP_RET_ERRNO | ENOSYS);
}

static void assemble(const struct seccomp_filter *filter) {
  if (seccomp_assemble(filter, &made) < 0)
    broken("a filter does not fit", 0);
  length = made.count;
}

/* Conditional jumps of every distance, which the real tables are too small for. */
static void check_large_table(void) {
  static struct seccomp_rule rules[1100];
  for (uint32_t i = 0; i < 700; i++)
    rules[i] = (struct seccomp_rule){i * 3 + 1, SECCOMP_RET_ALLOW, NULL, 0};
  struct seccomp_arch arch = {.arch = AUDIT_ARCH_X86_64, .rules = rules, .rule_count = 700};
  const struct seccomp_filter filter = {&arch, 1, DENY, DENY};
  assemble(&filter);
  for (uint32_t number = 0; number < 2990; number++)
    expect(AUDIT_ARCH_X86_64, number, 0, number % 3 == 1 && number < 2100 ? SECCOMP_RET_ALLOW : DENY);
  for (uint32_t i = 700; i < 1100; i++)
    rules[i] = (struct seccomp_rule){i * 3 + 1, SECCOMP_RET_ALLOW, NULL, 0};
  arch.rule_count = 1100;
  if (seccomp_assemble(&filter, &made) == 0)
    broken("a program was cut off", made.count);
}

static bool holds(const struct seccomp_argument *argument, uint64_t value) {
  switch (argument->comparison) {
  case SECCOMP_EQ:
    return value == argument->value;
  case SECCOMP_NE:
    return value != argument->value;
  case SECCOMP_LT:
    return value < argument->value;
  case SECCOMP_LE:
    return value <= argument->value;
  case SECCOMP_GT:
    return value > argument->value;
  case SECCOMP_GE:
    return value >= argument->value;
  case SECCOMP_MASKED_EQ:
    return (value & argument->mask) == argument->value;
  }
  return false;
}

/* xorshift64: the same filters in every run. */
static uint64_t state = 0x9e3779b97f4a7c15;
static uint64_t draw(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

/* Around the places where halves carry over. */
static uint64_t draw_value(void) {
  static const uint64_t corners[] = {0, 1, 0xffffffff, UINT64_C(1) << 32, UINT64_C(0xffffffff00000000), UINT64_MAX};
  return corners[draw() % 6] + (draw() % 3) - 1;
}

/* What a filter of rules shall answer, the slow way. */
static uint32_t wanted_answer(const struct seccomp_filter *filter, const struct seccomp_data *data) {
  const struct seccomp_arch *arch = filter->arches;
  const uint32_t number = (uint32_t)data->nr;
  if (data->arch != arch->arch || (arch->refuses_x32 && number >= 0x40000000 && number != UINT32_MAX))
    return filter->foreign_action;
  for (size_t i = 0; i < arch->rule_count; i++) {
    if (arch->rules[i].number == number && arch->rules[i].argument_count == 0)
      return arch->rules[i].action;
  }
  for (size_t i = 0; i < arch->rule_count; i++) {
    const struct seccomp_rule *rule = &arch->rules[i];
    bool all = rule->number == number;
    for (size_t j = 0; j < rule->argument_count && all; j++)
      all = holds(&rule->arguments[j], data->args[rule->arguments[j].index]);
    if (all)
      return rule->action;
  }
  return filter->default_action;
}

static void check_random_filters(void) {
  static struct seccomp_argument arguments[40 * SECCOMP_ARGUMENTS_MAX];
  static struct seccomp_rule rules[40];
  for (unsigned round = 0; round < 3000; round++) {
    const size_t count = draw() % 40;
    for (size_t i = 0; i < count; i++) {
      struct seccomp_argument *own = &arguments[i * SECCOMP_ARGUMENTS_MAX];
      const size_t conditions = draw() % 4 == 0 ? 0 : 1 + draw() % SECCOMP_ARGUMENTS_MAX;
      for (size_t j = 0; j < conditions; j++)
        own[j] = (struct seccomp_argument){(unsigned)(draw() % 6), (enum seccomp_comparison)(draw() % 7), draw_value(),
                                           draw_value()};
      rules[i] = (struct seccomp_rule){(uint32_t)(draw() % 12), SECCOMP_RET_ERRNO | (uint32_t)(1 + i), own, conditions};
    }
    const struct seccomp_arch arch = {AUDIT_ARCH_X86_64, rules, count, draw() % 2 == 0};
    const struct seccomp_filter filter = {&arch, 1, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS};
    assemble(&filter);
    for (unsigned call = 0; call < 60; call++) {
      struct seccomp_data data = {.nr = (int)(draw() % 14), .arch = AUDIT_ARCH_X86_64};
      if (draw() % 8 == 0)
        data.nr = (int)(draw() % 2 == 0 ? UINT32_MAX : 0x40000000 + draw() % 4);
      for (size_t i = 0; i < 6; i++)
        data.args[i] = draw_value();
      unsigned steps;
      checked++;
      if (interpret(&data, &steps) != wanted_answer(&filter, &data))
        broken("a wrong answer of a random filter", round);
    }
  }
}

static void check_names(void) {
  for (size_t at = 0; at < seccomp_table_count; at++) {
    const struct seccomp_table *table = seccomp_tables[at];
    uint32_t number;
    for (size_t i = 0; i < table->name_count; i++) {
      if (!seccomp_number(table, table->names[i].name, &number) || number != table->names[i].number)
        broken("a name is not found", i);
    }
    if (seccomp_number(table, "no_such_call", &number) || !seccomp_number(table, "futex_waitv", &number))
      broken("names", at);
  }
}

int main(void) {
  const struct seccomp_program *standard = seccomp_default();
  if (standard == NULL)
    broken("no program", 0);
  made = *standard;
  length = made.count;
  printf("seccomp: %zu instructions, ", length);
  for (size_t at = 0; at < seccomp_table_count; at++) {
    const struct seccomp_table *table = seccomp_tables[at];
    check_numbers(table->arch, 0, 2048);
    check_numbers(table->arch, 0x40000000, 2048);
    check_numbers(table->arch, UINT32_MAX - 16, 16);
    expect(table->arch, UINT32_MAX, 0, DENY);
    check_conditions(table);
  }
  /* An architecture that nobody asked for. */
  for (uint32_t number = 0; number < 512; number++)
    expect(AUDIT_ARCH_S390, number, 0, DENY);
  check_large_table();
  check_random_filters();
  check_names();
  printf("%lu answers\n", checked);
  return 0;
}
