/* The runtime's own file, which no container may reach in a form that it could change. */
#ifndef TSBUILD_OWN_BINARY_H
#define TSBUILD_OWN_BINARY_H

/*
 * Goes on, with the same arguments, in a copy of this program that is in memory and sealed: then /proc/PID/exe of no process of
 * ours leads to a file of the host (CVE-2019-5736). Returns in that copy, or when the kernel cannot make one; the file
 * is then protected only by command.c, which refuses to run it.
 */
void own_binary_seal(char **argv);

#endif
