#include "seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "cleanup.h"
#include "stage.h"
#include "syscalls.h"

#define X32_BIT 0x40000000u

/* What to do with a number: an answer, or rules that look at its arguments. */
struct verdict {
  uint32_t action;
  const struct seccomp_rule **rules;
  size_t rule_count;
};

/* From `first` up to the next range. */
struct range {
  uint32_t first;
  struct verdict verdict;
};

struct emitter {
  struct sock_filter *program;
  size_t capacity;
  size_t count;
  uint32_t default_action;
};

static void emit(struct emitter *emitter, uint16_t code, uint32_t value, size_t if_true, size_t if_false) {
  if (emitter->count < emitter->capacity)
    emitter->program[emitter->count] = (struct sock_filter){code, (uint8_t)if_true, (uint8_t)if_false, value};
  emitter->count++;
}

static void emit_answer(struct emitter *emitter, uint32_t answer) { emit(emitter, BPF_RET | BPF_K, answer, 0, 0); }

static void emit_load(struct emitter *emitter, size_t offset) {
  emit(emitter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The halves of an argument; both supported machines are little endian. */
static size_t low_half(unsigned argument) { return offsetof(struct seccomp_data, args) + argument * 8; }
static size_t high_half(unsigned argument) { return low_half(argument) + 4; }

static bool needs_high_half(const struct seccomp_argument *argument) {
  return argument->comparison != SECCOMP_MASKED_EQ || (argument->mask | argument->value) >> 32 != 0;
}

static size_t argument_size(const struct seccomp_argument *argument) {
  switch (argument->comparison) {
  case SECCOMP_EQ:
  case SECCOMP_NE:
    return 4;
  case SECCOMP_MASKED_EQ:
    return needs_high_half(argument) ? 6 : 3;
  case SECCOMP_LT:
  case SECCOMP_LE:
  case SECCOMP_GT:
  case SECCOMP_GE:
    return 5;
  }
  return 0;
}

#define JEQ (BPF_JMP | BPF_JEQ | BPF_K)
#define JGT (BPF_JMP | BPF_JGT | BPF_K)
#define JGE (BPF_JMP | BPF_JGE | BPF_K)
#define AND (BPF_ALU | BPF_AND | BPF_K)

/* Goes on behind itself when the condition holds, else `otherwise` instructions further. */
static void emit_argument(struct emitter *emitter, const struct seccomp_argument *argument, size_t otherwise) {
  const uint32_t high = (uint32_t)(argument->value >> 32), low = (uint32_t)argument->value;
  if (needs_high_half(argument))
    emit_load(emitter, high_half(argument->index));
  switch (argument->comparison) {
  case SECCOMP_EQ:
    emit(emitter, JEQ, high, 0, otherwise + 2);
    emit_load(emitter, low_half(argument->index));
    emit(emitter, JEQ, low, 0, otherwise);
    return;
  case SECCOMP_NE:
    emit(emitter, JEQ, high, 0, 2);
    emit_load(emitter, low_half(argument->index));
    emit(emitter, JEQ, low, otherwise, 0);
    return;
  case SECCOMP_MASKED_EQ:
    if (needs_high_half(argument)) {
      emit(emitter, AND, (uint32_t)(argument->mask >> 32), 0, 0);
      emit(emitter, JEQ, high, 0, otherwise + 3);
    }
    emit_load(emitter, low_half(argument->index));
    emit(emitter, AND, (uint32_t)argument->mask, 0, 0);
    emit(emitter, JEQ, low, 0, otherwise);
    return;
  case SECCOMP_GT:
  case SECCOMP_GE:
    emit(emitter, JGT, high, 3, 0);
    emit(emitter, JEQ, high, 0, otherwise + 2);
    emit_load(emitter, low_half(argument->index));
    emit(emitter, argument->comparison == SECCOMP_GT ? JGT : JGE, low, 0, otherwise);
    return;
  case SECCOMP_LT:
  case SECCOMP_LE:
    emit(emitter, JGT, high, otherwise + 3, 0);
    emit(emitter, JEQ, high, 0, 2);
    emit_load(emitter, low_half(argument->index));
    emit(emitter, argument->comparison == SECCOMP_LT ? JGE : JGT, low, otherwise, 0);
    return;
  }
}

/* At most six conditions of six instructions each: all jumps are short. */
static void emit_rule(struct emitter *emitter, const struct seccomp_rule *rule) {
  size_t left = 1;
  for (size_t i = 0; i < rule->argument_count; i++)
    left += argument_size(&rule->arguments[i]);
  for (size_t i = 0; i < rule->argument_count; i++) {
    left -= argument_size(&rule->arguments[i]);
    emit_argument(emitter, &rule->arguments[i], left);
  }
  emit_answer(emitter, rule->action);
}

static void emit_verdict(struct emitter *emitter, const struct verdict *verdict) {
  for (size_t i = 0; i < verdict->rule_count; i++)
    emit_rule(emitter, verdict->rules[i]);
  emit_answer(emitter, verdict->rule_count == 0 ? verdict->action : emitter->default_action);
}

/* A binary search: below the middle goes on with the next instruction, the rest is jumped to. */
static void emit_search(struct emitter *emitter, const struct range *ranges, size_t count) {
  if (count == 1) {
    emit_verdict(emitter, &ranges[0].verdict);
    return;
  }
  size_t middle = count / 2;
  /* Measured first, as a conditional jump reaches 255 instructions only. */
  struct emitter measure = {.count = 0};
  emit_search(&measure, ranges, middle);
  if (measure.count <= 255) {
    emit(emitter, JGE, ranges[middle].first, measure.count, 0);
  } else {
    emit(emitter, JGE, ranges[middle].first, 0, 1);
    emit(emitter, BPF_JMP | BPF_JA, (uint32_t)measure.count, 0, 0);
  }
  emit_search(emitter, ranges, middle);
  emit_search(emitter, ranges + middle, count - middle);
}

/* By number; what came first stays first. */
static int compare_rules(const void *a, const void *b) {
  const struct seccomp_rule *left = *(const struct seccomp_rule *const *)a, *right = *(const struct seccomp_rule *const *)b;
  if (left->number != right->number)
    return left->number < right->number ? -1 : 1;
  return left < right ? -1 : left > right;
}

static struct verdict decide(const struct seccomp_rule **rules, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (rules[i]->argument_count == 0)
      return (struct verdict){.action = rules[i]->action};
  }
  return (struct verdict){.rules = rules, .rule_count = count};
}

struct ranges {
  struct range *items;
  size_t count;
};

static void add_range(struct ranges *ranges, uint32_t first, struct verdict verdict) {
  struct range *last = ranges->count == 0 ? NULL : &ranges->items[ranges->count - 1];
  if (last != NULL && last->first == first)
    ranges->count--, last = ranges->count == 0 ? NULL : last - 1;
  if (last != NULL && last->verdict.rule_count == 0 && verdict.rule_count == 0 &&
      last->verdict.action == verdict.action)
    return;
  ranges->items[ranges->count++] = (struct range){first, verdict};
}

/* The whole number space as ranges of equal verdicts. */
static void make_ranges(const struct seccomp_filter *filter, const struct seccomp_arch *arch,
                        const struct seccomp_rule **sorted, struct ranges *ranges) {
  const struct verdict otherwise = {.action = filter->default_action};
  const struct verdict foreign = {.action = arch->refuses_x32 ? filter->foreign_action : filter->default_action};
  bool in_x32 = false;
  add_range(ranges, 0, otherwise);
  for (size_t i = 0, end; i < arch->rule_count; i = end) {
    for (end = i + 1; end < arch->rule_count && sorted[end]->number == sorted[i]->number;)
      end++;
    const uint32_t number = sorted[i]->number;
    if (number >= X32_BIT && !in_x32)
      in_x32 = true, add_range(ranges, X32_BIT, foreign);
    add_range(ranges, number, decide(sorted + i, end - i));
    if (number < UINT32_MAX)
      add_range(ranges, number + 1, in_x32 ? foreign : otherwise);
  }
  if (!in_x32)
    add_range(ranges, X32_BIT, foreign);
  /* The number of a call that a tracer has cancelled. */
  if (arch->refuses_x32)
    add_range(ranges, UINT32_MAX, otherwise);
}

static int emit_arch(struct emitter *emitter, const struct seccomp_filter *filter, const struct seccomp_arch *arch) {
  cleanup_free const struct seccomp_rule **sorted = calloc(arch->rule_count + 1, sizeof *sorted);
  cleanup_free struct range *items = calloc(2 * arch->rule_count + 4, sizeof *items);
  if (sorted == NULL || items == NULL)
    return -1;
  for (size_t i = 0; i < arch->rule_count; i++)
    sorted[i] = &arch->rules[i];
  qsort(sorted, arch->rule_count, sizeof sorted[0], compare_rules);
  struct ranges ranges = {.items = items};
  make_ranges(filter, arch, sorted, &ranges);

  struct emitter measure = {.count = 0};
  emit_search(&measure, ranges.items, ranges.count);
  /* Numbers mean something only together with the architecture. */
  emit_load(emitter, offsetof(struct seccomp_data, arch));
  emit(emitter, JEQ, arch->arch, 1, 0);
  emit(emitter, BPF_JMP | BPF_JA, (uint32_t)measure.count + 1, 0, 0);
  emit_load(emitter, offsetof(struct seccomp_data, nr));
  emit_search(emitter, ranges.items, ranges.count);
  return 0;
}

int seccomp_assemble(const struct seccomp_filter *filter, struct seccomp_program *program) {
  struct emitter emitter = {
      .program = program->instructions, .capacity = SECCOMP_PROGRAM_MAX, .default_action = filter->default_action};
  for (size_t i = 0; i < filter->arch_count; i++) {
    if (emit_arch(&emitter, filter, &filter->arches[i]) < 0)
      return -1;
  }
  emit_answer(&emitter, filter->foreign_action);
  program->count = emitter.count;
  return emitter.count <= SECCOMP_PROGRAM_MAX ? 0 : -1;
}

int seccomp_load(const struct seccomp_program *program, struct error *error) {
  struct sock_fprog filter = {.len = (unsigned short)program->count,
                              .filter = (struct sock_filter *)(uintptr_t)program->instructions};
  if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, program->flags, &filter) < 0)
    return fail(error, STAGE_SECCOMP, errno, "filter");
  return 0;
}
