/* The runtime's own file, which no container may reach in a form that it could change. */
#ifndef TSBUILD_OWN_BINARY_H
#define TSBUILD_OWN_BINARY_H

/*
 * A copy in memory is out of reach also for what writes into the page cache of read-only files (CVE-2022-0847). A read-only mount
 * is what other runtimes have for this, and starts sooner; where it can't be made, a copy is.
 */
enum own_binary_seal { OWN_BINARY_COPY, OWN_BINARY_MOUNT };

/*
 * Goes on, with the same arguments, in a form of this program that nobody can write to: then /proc/PID/exe of no process of
 * ours leads to a file of the host that can be changed (CVE-2019-5736). Returns in that form, or when the kernel can make none; the
 * file is then protected only by command.c, which refuses to run it.
 */
void own_binary_seal(enum own_binary_seal how, char **argv);

/*
 * The same before the C library is set up, when a word of the command line is a command that will ask for it; should it be something
 * else, that costs an exec. `stack` is what the kernel has put there: argc, argv, envp.
 */
void own_binary_start(long *stack);

#endif
