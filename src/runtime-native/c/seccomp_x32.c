/* The x32 interface of x86_64: 32-bit pointers, numbers with a bit of their own. */
#if defined(__x86_64__)
#include <asm/unistd_x32.h>
#include <linux/audit.h>

#define SYSCALL_BASE __X32_SYSCALL_BIT
#ifndef __X32_SYSCALL_BIT
#define __X32_SYSCALL_BIT 0x40000000
#endif
#include "seccomp.h"
#include "seccomp_numbers.h"

#define TABLE_ARCH AUDIT_ARCH_X86_64
#define TABLE_SCMP_NAME "SCMP_ARCH_X32"
#define TABLE_NAMES "seccomp_x32_names.inc"
#define TABLE seccomp_table_x32
#include "seccomp_table.inc"
#else
typedef int seccomp_x32_is_empty;
#endif
