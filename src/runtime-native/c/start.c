/*
 * Where the kernel enters the program: seals it first, and only then sets up the C library, which in a virtual machine takes
 * longer than everything else here (each of its 40 `cpuid` instructions is a trap). Otherwise it would be set up twice.
 *
 * The stack is handed on as the kernel made it, and the register for a function to call at the exit is empty, as in any
 * static program (System V ABI for x86-64, 3.4.1; for aarch64, the kernel's ELF_PLAT_INIT).
 */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl tsbuild_start\n"
        ".type tsbuild_start, @function\n"
        "tsbuild_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  call own_binary_start\n"
        "  xor %edx, %edx\n"
        "  jmp _start\n"
        ".size tsbuild_start, . - tsbuild_start\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl tsbuild_start\n"
        ".type tsbuild_start, %function\n"
        "tsbuild_start:\n"
        "  mov x0, sp\n"
        "  bl own_binary_start\n"
        "  mov x0, xzr\n"
        "  b _start\n"
        ".size tsbuild_start, . - tsbuild_start\n");
#endif
