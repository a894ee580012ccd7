/* System call filters: rules by number and arguments, and the classic BPF program that answers by them. */
#ifndef TSBUILD_SECCOMP_H
#define TSBUILD_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define SECCOMP_PROGRAM_MAX 4096
#define SECCOMP_ARGUMENTS_MAX 6

enum seccomp_comparison { SECCOMP_EQ, SECCOMP_NE, SECCOMP_LT, SECCOMP_LE, SECCOMP_GT, SECCOMP_GE, SECCOMP_MASKED_EQ };

/* A condition on all 64 bits of an argument. */
struct seccomp_argument {
  unsigned index;
  enum seccomp_comparison comparison;
  uint64_t value;
  /* Of SECCOMP_MASKED_EQ: the bits that must be equal. */
  uint64_t mask;
};

struct seccomp_rule {
  uint32_t number;
  /* SECCOMP_RET_* with its data. */
  uint32_t action;
  /* All must hold. */
  const struct seccomp_argument *arguments;
  size_t argument_count;
};

/*
 * Calls of one architecture. A rule without arguments decides alone for its number; of several others the first that
 * holds does.
 */
struct seccomp_arch {
  /* AUDIT_ARCH_* */
  uint32_t arch;
  const struct seccomp_rule *rules;
  size_t rule_count;
  /* x86_64 only: numbers of the x32 interface count as those of another architecture. */
  bool refuses_x32;
};

struct seccomp_filter {
  const struct seccomp_arch *arches;
  size_t arch_count;
  uint32_t default_action;
  /* For calls of any other architecture. */
  uint32_t foreign_action;
};

struct seccomp_program {
  struct sock_filter instructions[SECCOMP_PROGRAM_MAX];
  size_t count;
  /* SECCOMP_FILTER_FLAG_* */
  unsigned flags;
};

/* Writes the program; -1 when it does not fit or there is no memory. */
int seccomp_assemble(const struct seccomp_filter *filter, struct seccomp_program *program);

/* Loads it for this process and all that it will start; it then needs CAP_SYS_ADMIN no longer. */
int seccomp_load(const struct seccomp_program *program, struct error *error);

/* One way into the kernel: its numbers, and what tsbuild's own containers may call there. */
struct seccomp_name {
  const char *name;
  uint32_t number;
};
enum seccomp_special { SPECIAL_SOCKET, SPECIAL_PERSONALITY, SPECIAL_CLONE, SPECIAL_CLONE3, SPECIAL_COUNT };
struct seccomp_table {
  uint32_t arch;
  /* As config.json writes it: SCMP_ARCH_*. */
  const char *scmp_name;
  /* Sorted. */
  const struct seccomp_name *names;
  size_t name_count;
  const uint32_t *allowed;
  size_t allowed_count;
  /* Calls whose arguments decide. */
  uint32_t special[SPECIAL_COUNT];
};

/* The tables of the machine this was compiled for, the native one first; those of one architecture follow each other. */
extern const struct seccomp_table *const seccomp_tables[];
extern const size_t seccomp_table_count;

/* The number of a call; false when the table has none of that name. */
bool seccomp_number(const struct seccomp_table *table, const char *name, uint32_t *number);

/* Docker's list for containers that ask for nothing else. Made once; NULL when that failed. */
const struct seccomp_program *seccomp_default(void);

#endif
