/*
 * Numbers of calls that older kernel headers lack, after an asm/unistd header was included. SYSCALL_BASE is what the
 * interface adds to every number.
 */
#ifndef __NR_futex_waitv
#define __NR_futex_waitv (SYSCALL_BASE + 449)
#endif
#ifndef __NR_cachestat
#define __NR_cachestat (SYSCALL_BASE + 451)
#endif
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 (SYSCALL_BASE + 452)
#endif
#ifndef __NR_map_shadow_stack
#define __NR_map_shadow_stack (SYSCALL_BASE + 453)
#endif
#ifndef __NR_futex_wake
#define __NR_futex_wake (SYSCALL_BASE + 454)
#endif
#ifndef __NR_futex_wait
#define __NR_futex_wait (SYSCALL_BASE + 455)
#endif
#ifndef __NR_futex_requeue
#define __NR_futex_requeue (SYSCALL_BASE + 456)
#endif
#ifndef __NR_statmount
#define __NR_statmount (SYSCALL_BASE + 457)
#endif
#ifndef __NR_listmount
#define __NR_listmount (SYSCALL_BASE + 458)
#endif
#ifndef __NR_mseal
#define __NR_mseal (SYSCALL_BASE + 462)
#endif
#ifndef __NR_setxattrat
#define __NR_setxattrat (SYSCALL_BASE + 463)
#endif
#ifndef __NR_getxattrat
#define __NR_getxattrat (SYSCALL_BASE + 464)
#endif
#ifndef __NR_listxattrat
#define __NR_listxattrat (SYSCALL_BASE + 465)
#endif
#ifndef __NR_removexattrat
#define __NR_removexattrat (SYSCALL_BASE + 466)
#endif
