/* Detached mounts and their flags, on top of the kernel's descriptor-based interface. */
#ifndef TSBUILD_MOUNT_FS_H
#define TSBUILD_MOUNT_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_option {
  const char *name;
  /* NULL for a flag. */
  const char *value;
};

/* A detached mount of a new `type` file system, named `source` in the mount table; options end with a NULL name. -1 with errno. */
int mount_fs_open(const char *type, const char *source, const struct fs_option *options, unsigned attributes);

/* A detached copy of the mount tree at the open `fd`: only its own mount, or all below too. -1 with errno. */
int mount_clone(int fd, bool recursive);

/* Adds flags (MOUNT_ATTR_*) to a mount, and to all below it when `recursive`. -1 with errno. */
int mount_set_flags(int mount, uint64_t flags, bool recursive);

/* Adds and takes flags away, and sets the propagation (MS_SHARED and so on) unless that is 0. -1 with errno. */
int mount_change(int mount, uint64_t set, uint64_t clear, unsigned long propagation, bool recursive);

/* Attaches a detached mount on top of the file or directory open at `target`. -1 with errno. */
int mount_attach(int mount, int target);

/* The identity of the mount that an open file is on; 0 when the kernel does not tell. */
uint64_t mount_id(int fd);

#endif
