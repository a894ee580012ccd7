#include "probe.h"

#include <dirent.h>
#include <sys/ptrace.h>

/* The first process of a container with an init is a copy of the runtime; without one, it is this program itself. */
static long trace(void) { return ptrace(PTRACE_SEIZE, 1, 0, 0); }
static long read_memory(void) { return open("/proc/1/mem", O_RDWR); }
/* The directory alone may be opened. */
static long has_entry(const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL)
    return -1;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] != '.')
      return 0;
  }
  errno = errno == 0 ? ENODATA : errno;
  return -1;
}
static long list_descriptors(void) { return has_entry("/proc/1/fd"); }
static long list_mapped_files(void) { return has_entry("/proc/1/map_files"); }
static long read_environment(void) { return open("/proc/1/environ", O_RDONLY); }
static long enter_root(void) { return open("/proc/1/root/.", O_RDONLY | O_DIRECTORY); }
static long open_program(void) { return open("/proc/1/exe", O_RDONLY); }
static long enter_namespace(void) { return open("/proc/1/ns/mnt", O_RDONLY); }

const struct attempt first_attempts[] = {{"first-trace", trace},
                                         {"first-memory", read_memory},
                                         {"first-descriptors", list_descriptors},
                                         {"first-map-files", list_mapped_files},
                                         {"first-environment", read_environment},
                                         {"first-root", enter_root},
                                         {"first-program", open_program},
                                         {"first-namespace", enter_namespace},
                                         {NULL, NULL}};
