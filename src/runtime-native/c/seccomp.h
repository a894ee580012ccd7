/* The system call filter of a container, as a classic BPF program. */
#ifndef TSBUILD_SECCOMP_H
#define TSBUILD_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define SECCOMP_PROGRAM_MAX 4096

/* A call whose arguments decide. */
enum seccomp_condition { CONDITION_SOCKET, CONDITION_PERSONALITY, CONDITION_CLONE, CONDITION_CLONE3, CONDITION_COUNT };

/* The calls of one way into the kernel. */
struct seccomp_table {
  /* AUDIT_ARCH_*; tables with the same one follow each other. */
  uint32_t arch;
  const uint32_t *allowed;
  size_t allowed_count;
  uint32_t conditional[CONDITION_COUNT];
};

/* The tables of the machine this was compiled for; ends with arch 0. */
extern const struct seccomp_table *const seccomp_tables[];

/* Writes the program and returns the number of its instructions, 0 if it does not fit. */
size_t seccomp_program(const struct seccomp_table *const *tables, struct sock_filter *program, size_t capacity);

/* Loads the filter for this process and all that it will start; it then needs CAP_SYS_ADMIN no longer. */
int seccomp_load(struct error *error);

#endif
