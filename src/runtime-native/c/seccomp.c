#include "seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>

#include "stage.h"
#include "syscalls.h"

extern const struct seccomp_table seccomp_table_native;
#if defined(__x86_64__)
extern const struct seccomp_table seccomp_table_x32;
extern const struct seccomp_table seccomp_table_i386;
#endif

const struct seccomp_table *const seccomp_tables[] = {
    &seccomp_table_native,
#if defined(__x86_64__)
    &seccomp_table_x32,
    &seccomp_table_i386,
#endif
    NULL,
};

/* What to do with a number: an answer, or a look at its arguments. */
enum verdict {
  VERDICT_DENY,
  VERDICT_ALLOW,
  /* VERDICT_CONDITION + enum seccomp_condition */
  VERDICT_CONDITION,
};

/* From `first` up to the next range. */
struct range {
  uint32_t first;
  unsigned verdict;
};

struct entry {
  uint32_t number;
  unsigned verdict;
};

struct emitter {
  struct sock_filter *program;
  size_t capacity;
  size_t count;
};

static void emit(struct emitter *emitter, uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false) {
  if (emitter->count < emitter->capacity)
    emitter->program[emitter->count] = (struct sock_filter){code, if_true, if_false, value};
  emitter->count++;
}

static void emit_answer(struct emitter *emitter, uint32_t answer) { emit(emitter, BPF_RET | BPF_K, answer, 0, 0); }

static void emit_load(struct emitter *emitter, size_t offset) {
  emit(emitter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The halves of an argument; both supported machines are little endian. */
static size_t low_half(unsigned argument) { return offsetof(struct seccomp_data, args) + argument * 8; }
static size_t high_half(unsigned argument) { return low_half(argument) + 4; }

#define DENY (SECCOMP_RET_ERRNO | EPERM)

/* Any family but AF_ALG (38), a way to the kernel's crypto code, and AF_VSOCK (40), one to the hypervisor. */
static void emit_socket(struct emitter *emitter) {
  emit_load(emitter, high_half(0));
  emit(emitter, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
  emit_load(emitter, low_half(0));
  emit(emitter, BPF_JMP | BPF_JEQ | BPF_K, 38, 2, 0);
  emit(emitter, BPF_JMP | BPF_JEQ | BPF_K, 40, 1, 0);
  emit_answer(emitter, SECCOMP_RET_ALLOW);
  emit_answer(emitter, DENY);
}

/* PER_LINUX, PER_LINUX32, either with UNAME26, and the question for the current one. */
static void emit_personality(struct emitter *emitter) {
  static const uint32_t known[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
  const uint8_t count = sizeof known / sizeof known[0];
  emit_load(emitter, high_half(0));
  emit(emitter, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint8_t)(count + 1));
  emit_load(emitter, low_half(0));
  for (uint8_t i = 0; i < count; i++)
    emit(emitter, BPF_JMP | BPF_JEQ | BPF_K, known[i], (uint8_t)(count - i), 0);
  emit_answer(emitter, DENY);
  emit_answer(emitter, SECCOMP_RET_ALLOW);
}

/* No new namespace. */
static void emit_clone(struct emitter *emitter) {
  emit_load(emitter, low_half(0));
  emit(emitter, BPF_JMP | BPF_JSET | BPF_K, 0x7e020000, 0, 1);
  emit_answer(emitter, DENY);
  emit_answer(emitter, SECCOMP_RET_ALLOW);
}

static void emit_verdict(struct emitter *emitter, unsigned verdict) {
  switch (verdict) {
  case VERDICT_DENY:
    emit_answer(emitter, DENY);
    return;
  case VERDICT_ALLOW:
    emit_answer(emitter, SECCOMP_RET_ALLOW);
    return;
  case VERDICT_CONDITION + CONDITION_SOCKET:
    emit_socket(emitter);
    return;
  case VERDICT_CONDITION + CONDITION_PERSONALITY:
    emit_personality(emitter);
    return;
  case VERDICT_CONDITION + CONDITION_CLONE:
    emit_clone(emitter);
    return;
  case VERDICT_CONDITION + CONDITION_CLONE3:
    /* Its flags are in memory, out of the filter's reach; this makes C libraries fall back to clone. */
    emit_answer(emitter, SECCOMP_RET_ERRNO | ENOSYS);
    return;
  }
}

/* A binary search: below the middle goes on with the next instruction, the rest is jumped to. */
static void emit_search(struct emitter *emitter, const struct range *ranges, size_t count) {
  if (count == 1) {
    emit_verdict(emitter, ranges[0].verdict);
    return;
  }
  size_t middle = count / 2;
  /* Measured first, as a conditional jump reaches 255 instructions only. */
  struct emitter measure = {.count = 0};
  emit_search(&measure, ranges, middle);
  if (measure.count <= 255) {
    emit(emitter, BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, (uint8_t)measure.count, 0);
  } else {
    emit(emitter, BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, 0, 1);
    emit(emitter, BPF_JMP | BPF_JA, (uint32_t)measure.count, 0, 0);
  }
  emit_search(emitter, ranges, middle);
  emit_search(emitter, ranges + middle, count - middle);
}

static int compare_entries(const void *a, const void *b) {
  const struct entry *left = a, *right = b;
  return left->number < right->number ? -1 : left->number > right->number;
}

#define ENTRIES_MAX 2048

/* The whole number space as ranges of equal verdicts. `entries` is sorted. */
static size_t make_ranges(const struct entry *entries, size_t count, struct range *ranges) {
  size_t made = 0;
  uint64_t next = 0;
  ranges[made++] = (struct range){0, VERDICT_DENY};
  for (size_t i = 0; i < count; i++) {
    if (i > 0 && entries[i].number == entries[i - 1].number)
      continue;
    if (entries[i].number > next && ranges[made - 1].verdict != VERDICT_DENY)
      ranges[made++] = (struct range){(uint32_t)next, VERDICT_DENY};
    if (ranges[made - 1].first == entries[i].number)
      made--;
    if (made == 0 || ranges[made - 1].verdict != entries[i].verdict)
      ranges[made++] = (struct range){entries[i].number, entries[i].verdict};
    next = (uint64_t)entries[i].number + 1;
  }
  if (ranges[made - 1].verdict != VERDICT_DENY && next <= UINT32_MAX)
    ranges[made++] = (struct range){(uint32_t)next, VERDICT_DENY};
  return made;
}

/* The search over all tables of one architecture; *at moves behind them. 0 if there are too many calls. */
static bool emit_arch(struct emitter *emitter, const struct seccomp_table *const **at) {
  static struct entry entries[ENTRIES_MAX];
  static struct range ranges[2 * ENTRIES_MAX + 2];
  const uint32_t arch = (**at)->arch;
  size_t count = 0;
  for (; **at != NULL && (**at)->arch == arch; (*at)++) {
    const struct seccomp_table *table = **at;
    if (table->allowed_count + CONDITION_COUNT > ENTRIES_MAX - count)
      return false;
    for (size_t i = 0; i < table->allowed_count; i++)
      entries[count++] = (struct entry){table->allowed[i], VERDICT_ALLOW};
    for (unsigned i = 0; i < CONDITION_COUNT; i++)
      entries[count++] = (struct entry){table->conditional[i], VERDICT_CONDITION + i};
  }
  qsort(entries, count, sizeof entries[0], compare_entries);
  emit_search(emitter, ranges, make_ranges(entries, count, ranges));
  return true;
}

size_t seccomp_program(const struct seccomp_table *const *tables, struct sock_filter *program, size_t capacity) {
  struct emitter emitter = {.program = program, .capacity = capacity};
  while (*tables != NULL) {
    const struct seccomp_table *const *measured = tables;
    struct emitter measure = {.count = 0};
    if (!emit_arch(&measure, &measured))
      return 0;
    /* Numbers mean something only together with the architecture. */
    emit_load(&emitter, offsetof(struct seccomp_data, arch));
    emit(&emitter, BPF_JMP | BPF_JEQ | BPF_K, (*tables)->arch, 1, 0);
    emit(&emitter, BPF_JMP | BPF_JA, (uint32_t)measure.count + 1, 0, 0);
    emit_load(&emitter, offsetof(struct seccomp_data, nr));
    emit_arch(&emitter, &tables);
  }
  emit_answer(&emitter, DENY);
  return emitter.count <= capacity ? emitter.count : 0;
}

int seccomp_load(struct error *error) {
  static struct sock_filter program[SECCOMP_PROGRAM_MAX];
  size_t count = seccomp_program(seccomp_tables, program, SECCOMP_PROGRAM_MAX);
  if (count == 0)
    return fail(error, STAGE_SECCOMP, E2BIG, "filter");
  struct sock_fprog filter = {.len = (unsigned short)count, .filter = program};
  if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
    return fail(error, STAGE_SECCOMP, errno, "filter");
  return 0;
}
