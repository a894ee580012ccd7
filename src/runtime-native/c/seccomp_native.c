/* The calls of the machine's own interface. */
#include <asm/unistd.h>
#include <linux/audit.h>

#define SYSCALL_BASE 0
#include "seccomp.h"
#include "seccomp_numbers.h"
#if defined(__x86_64__) && !defined(__NR_uretprobe)
#define __NR_uretprobe 335
#endif

#if defined(__x86_64__)
#define TABLE_ARCH AUDIT_ARCH_X86_64
#define TABLE_SCMP_NAME "SCMP_ARCH_X86_64"
#elif defined(__aarch64__)
#define TABLE_ARCH AUDIT_ARCH_AARCH64
#define TABLE_SCMP_NAME "SCMP_ARCH_AARCH64"
#else
#error "the system call filter is written for x86_64 and aarch64"
#endif

#define TABLE_NAMES "seccomp_native_names.inc"
#define TABLE seccomp_table_native
#include "seccomp_table.inc"
