/* Exchanges two entries over and over, and says so with a byte for every thousand times. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  for (unsigned long turn = 1;; turn++) {
    if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0)
      return 1;
    if (turn % 1000 == 0 && write(1, ".", 1) != 1)
      return 1;
  }
}
