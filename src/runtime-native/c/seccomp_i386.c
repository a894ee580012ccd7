/* The 32-bit interface of x86_64. */
#if defined(__x86_64__)
#include <asm/unistd_32.h>
#include <linux/audit.h>

#define SYSCALL_BASE 0
#include "seccomp.h"
#include "seccomp_numbers.h"

#define TABLE_ARCH AUDIT_ARCH_I386
#define TABLE_SCMP_NAME "SCMP_ARCH_X86"
#define TABLE_NAMES "seccomp_i386_names.inc"
#define TABLE seccomp_table_i386
#include "seccomp_table.inc"
#else
typedef int seccomp_i386_is_empty;
#endif
