#include "seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

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

/* Written from the end: what a jump leads over is there already, and so is known how far it goes. */
struct emitter {
  struct sock_filter *program;
  /* Where the part that is written starts, of SECCOMP_PROGRAM_MAX; negative when it does not fit. */
  long start;
  uint32_t default_action;
};

/* A part that is written forwards: its size is known before. */
struct part {
  struct sock_filter *at;
};

static struct part reserve(struct emitter *emitter, size_t count) {
  static struct sock_filter nowhere[64];
  emitter->start -= (long)count;
  return (struct part){emitter->start < 0 ? nowhere : emitter->program + emitter->start};
}

static void emit(struct part *part, uint16_t code, uint32_t value, size_t if_true, size_t if_false) {
  *part->at++ = (struct sock_filter){code, (uint8_t)if_true, (uint8_t)if_false, value};
}

static void emit_one(struct emitter *emitter, uint16_t code, uint32_t value, size_t if_true, size_t if_false) {
  struct part part = reserve(emitter, 1);
  emit(&part, code, value, if_true, if_false);
}

static void emit_load(struct part *part, size_t offset) { emit(part, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }

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
static void emit_argument(struct part *part, const struct seccomp_argument *argument, size_t otherwise) {
  const uint32_t high = (uint32_t)(argument->value >> 32), low = (uint32_t)argument->value;
  if (needs_high_half(argument))
    emit_load(part, high_half(argument->index));
  switch (argument->comparison) {
  case SECCOMP_EQ:
    emit(part, JEQ, high, 0, otherwise + 2);
    emit_load(part, low_half(argument->index));
    emit(part, JEQ, low, 0, otherwise);
    return;
  case SECCOMP_NE:
    emit(part, JEQ, high, 0, 2);
    emit_load(part, low_half(argument->index));
    emit(part, JEQ, low, otherwise, 0);
    return;
  case SECCOMP_MASKED_EQ:
    if (needs_high_half(argument)) {
      emit(part, AND, (uint32_t)(argument->mask >> 32), 0, 0);
      emit(part, JEQ, high, 0, otherwise + 3);
    }
    emit_load(part, low_half(argument->index));
    emit(part, AND, (uint32_t)argument->mask, 0, 0);
    emit(part, JEQ, low, 0, otherwise);
    return;
  case SECCOMP_GT:
  case SECCOMP_GE:
    emit(part, JGT, high, 3, 0);
    emit(part, JEQ, high, 0, otherwise + 2);
    emit_load(part, low_half(argument->index));
    emit(part, argument->comparison == SECCOMP_GT ? JGT : JGE, low, 0, otherwise);
    return;
  case SECCOMP_LT:
  case SECCOMP_LE:
    emit(part, JGT, high, otherwise + 3, 0);
    emit(part, JEQ, high, 0, 2);
    emit_load(part, low_half(argument->index));
    emit(part, argument->comparison == SECCOMP_LT ? JGE : JGT, low, otherwise, 0);
    return;
  }
}

/* At most six conditions of six instructions each: all jumps are short. */
static void emit_rule(struct emitter *emitter, const struct seccomp_rule *rule) {
  size_t left = 1;
  for (size_t i = 0; i < rule->argument_count; i++)
    left += argument_size(&rule->arguments[i]);
  struct part part = reserve(emitter, left);
  for (size_t i = 0; i < rule->argument_count; i++) {
    left -= argument_size(&rule->arguments[i]);
    emit_argument(&part, &rule->arguments[i], left);
  }
  emit(&part, BPF_RET | BPF_K, rule->action, 0, 0);
}

static void emit_verdict(struct emitter *emitter, const struct verdict *verdict) {
  emit_one(emitter, BPF_RET | BPF_K, verdict->rule_count == 0 ? verdict->action : emitter->default_action, 0, 0);
  for (size_t i = verdict->rule_count; i-- > 0;)
    emit_rule(emitter, verdict->rules[i]);
}

/* A binary search: below the middle goes on with the next instruction, the rest is jumped to. */
static void emit_search(struct emitter *emitter, const struct range *ranges, size_t count) {
  if (count == 1) {
    emit_verdict(emitter, &ranges[0].verdict);
    return;
  }
  size_t middle = count / 2;
  emit_search(emitter, ranges + middle, count - middle);
  const long rest = emitter->start;
  emit_search(emitter, ranges, middle);
  const size_t distance = (size_t)(rest - emitter->start);
  /* A conditional jump reaches 255 instructions only. */
  if (distance > 255)
    emit_one(emitter, BPF_JMP | BPF_JA, (uint32_t)distance, 0, 0);
  emit_one(emitter, JGE, ranges[middle].first, distance > 255 ? 0 : distance, distance > 255 ? 1 : 0);
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
  cleanup_free const struct seccomp_rule **sorted = malloc((arch->rule_count + 1) * sizeof *sorted);
  cleanup_free struct range *items = malloc((2 * arch->rule_count + 4) * sizeof *items);
  if (sorted == NULL || items == NULL)
    return -1;
  for (size_t i = 0; i < arch->rule_count; i++)
    sorted[i] = &arch->rules[i];
  qsort(sorted, arch->rule_count, sizeof sorted[0], compare_rules);
  struct ranges ranges = {.items = items};
  make_ranges(filter, arch, sorted, &ranges);

  const long rest = emitter->start;
  emit_search(emitter, ranges.items, ranges.count);
  struct part part = reserve(emitter, 4);
  /* Numbers mean something only together with the architecture. */
  emit_load(&part, offsetof(struct seccomp_data, arch));
  emit(&part, JEQ, arch->arch, 1, 0);
  emit(&part, BPF_JMP | BPF_JA, (uint32_t)(rest - emitter->start - 3), 0, 0);
  emit_load(&part, offsetof(struct seccomp_data, nr));
  return 0;
}

int seccomp_assemble(const struct seccomp_filter *filter, struct seccomp_program *program) {
  static struct sock_filter instructions[SECCOMP_PROGRAM_MAX];
  struct emitter emitter = {
      .program = instructions, .start = SECCOMP_PROGRAM_MAX, .default_action = filter->default_action};
  emit_one(&emitter, BPF_RET | BPF_K, filter->foreign_action, 0, 0);
  for (size_t i = filter->arch_count; i-- > 0;) {
    if (emit_arch(&emitter, filter, &filter->arches[i]) < 0)
      return -1;
  }
  if (emitter.start < 0)
    return -1;
  program->count = SECCOMP_PROGRAM_MAX - (size_t)emitter.start;
  memcpy(program->instructions, instructions + emitter.start, program->count * sizeof instructions[0]);
  return 0;
}

int seccomp_load(const struct seccomp_program *program, struct error *error) {
  struct sock_fprog filter = {.len = (unsigned short)program->count,
                              .filter = (struct sock_filter *)(uintptr_t)program->instructions};
  if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, program->flags, &filter) < 0)
    return fail(error, STAGE_SECCOMP, errno, "filter");
  return 0;
}
