#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "capability.h"
#include "cleanup.h"
#include "commands.h"
#include "io.h"
#include "tree.h"

#define WHITEOUT_PREFIX ".wh."
#define OPAQUE_MARKER ".wh..wh..opq"

struct pack {
  struct pack_output output;
  struct pack_links links;
  /* The path or link target of the entry at hand, where it differs from the tree's. */
  char *name;
  size_t name_capacity;
};

/* `path` up to `kept` bytes, then `tail`, as the name of an entry; NULL with errno. */
static const char *make_name(struct pack *pack, const char *path, size_t kept, const char *tail) {
  size_t needed = kept + strlen(tail) + 1;
  if (needed > pack->name_capacity) {
    char *grown = realloc(pack->name, needed * 2);
    if (grown == NULL)
      return NULL;
    pack->name = grown;
    pack->name_capacity = needed * 2;
  }
  memcpy(pack->name, path, kept);
  strcpy(pack->name + kept, tail);
  return pack->name;
}

/* An empty file whose name alone matters: mode, owner and time are zero. */
static int pack_marker(struct pack *pack, const char *path, size_t kept, const char *tail, struct error *error) {
  const char *name = make_name(pack, path, kept, tail);
  if (name == NULL)
    return fail(error, TREE_WRITE, ENOMEM, "%s", path);
  struct pack_header header = {.path = name, .path_size = strlen(name), .type = '0'};
  return pack_header(&pack->output, &header, error);
}

static int pack_whiteout(struct pack *pack, const struct tree_entry *entry, struct error *error) {
  char marker[sizeof WHITEOUT_PREFIX + NAME_MAX];
  if ((size_t)snprintf(marker, sizeof marker, WHITEOUT_PREFIX "%s", entry->name) >= sizeof marker)
    return fail(error, TREE_UNSUPPORTED, ENAMETOOLONG, "%s", entry->path);
  return pack_marker(pack, entry->path, entry->path_size - strlen(entry->name), marker, error);
}

/* The file capability of `fd` into `value`, in the form that means something elsewhere: its size, 0 for none. */
static ssize_t read_capability(int fd, struct vfs_ns_cap_data *value) {
  const ssize_t size = fgetxattr(fd, CAPABILITY_XATTR, value, sizeof *value);
  if (size < 0)
    return errno == ENODATA || errno == ENOTSUP ? 0 : -1;
  return (ssize_t)capability_to_plain(value, (size_t)size);
}

static int pack_file(struct pack *pack, const struct tree_entry *entry, struct pack_header header,
                     struct error *error) {
  cleanup_fd int fd = openat(entry->parent, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  struct vfs_ns_cap_data capability;
  ssize_t size = read_capability(fd, &capability);
  if (size < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  if (size > 0) {
    header.capability = &capability;
    header.capability_size = (size_t)size;
  }
  header.type = '0';
  header.size = (uint64_t)entry->stat.st_size;
  if (pack_header(&pack->output, &header, error) < 0)
    return -1;
  return pack_content(&pack->output, fd, header.size, entry->path, error);
}

static int pack_symlink(struct pack *pack, const struct tree_entry *entry, struct pack_header header,
                        struct error *error) {
  char target[PATH_MAX];
  ssize_t size = readlinkat(entry->parent, entry->name, target, sizeof target);
  if (size < 0)
    return fail(error, TREE_READ, errno, "%s", entry->path);
  header.type = '2';
  header.link = target;
  header.link_size = (size_t)size;
  return pack_header(&pack->output, &header, error);
}

static int pack_directory(struct pack *pack, const struct tree_entry *entry, struct pack_header header,
                          struct error *error) {
  header.path = make_name(pack, entry->path, entry->path_size, "/");
  if (header.path == NULL)
    return fail(error, TREE_WRITE, ENOMEM, "%s", entry->path);
  header.path_size = entry->path_size + 1;
  header.type = '5';
  if (pack_header(&pack->output, &header, error) < 0)
    return -1;
  return entry->opaque ? pack_marker(pack, entry->path, entry->path_size, "/" OPAQUE_MARKER, error) : 0;
}

static int pack_entry(void *context, const struct tree_entry *entry, struct error *error) {
  struct pack *pack = context;
  const struct stat *stat = &entry->stat;
  struct pack_header header = {
      .path = entry->path,
      .path_size = entry->path_size,
      .mode = stat->st_mode,
      .uid = stat->st_uid,
      .gid = stat->st_gid,
      .mtime = stat->st_mtim.tv_sec,
  };
  /* Overlay gives all whiteouts one inode: they are no hard links of each other. */
  if (S_ISCHR(stat->st_mode) && stat->st_rdev == 0)
    return pack_whiteout(pack, entry, error);
  /* In a layer such a name would delete something. */
  if (strncmp(entry->name, WHITEOUT_PREFIX, sizeof WHITEOUT_PREFIX - 1) == 0)
    return fail(error, TREE_UNSUPPORTED, 0, "%s", entry->path);
  if (S_ISDIR(stat->st_mode))
    return pack_directory(pack, entry, header, error);
  if (S_ISSOCK(stat->st_mode))
    return 0;
  if (stat->st_nlink > 1) {
    int failed;
    const char *first = pack_first_path(&pack->links, stat->st_dev, stat->st_ino, entry->path, &failed);
    if (failed != 0)
      return fail(error, TREE_WRITE, failed, "%s", entry->path);
    if (first != NULL) {
      header.type = '1';
      header.link = first;
      header.link_size = strlen(first);
      return pack_header(&pack->output, &header, error);
    }
  }
  switch (stat->st_mode & S_IFMT) {
  case S_IFREG:
    return pack_file(pack, entry, header, error);
  case S_IFLNK:
    return pack_symlink(pack, entry, header, error);
  case S_IFIFO:
    header.type = '6';
    break;
  default:
    header.type = S_ISCHR(stat->st_mode) ? '3' : '4';
    header.major = major(stat->st_rdev);
    header.minor = minor(stat->st_rdev);
  }
  return pack_header(&pack->output, &header, error);
}

int pack_main(int argc, char **argv) {
  tree_process_setup();
  struct error error;
  struct pack pack = {.output = {.fd = STDOUT_FILENO}};
  struct sha256 hash;
  const char *dir = argv[argc - 1];
  if (argc == 3 && strcmp(argv[1], "--digest") == 0) {
    sha256_init(&hash);
    pack.output.hash = &hash;
    argc--;
  }
  int status = argc == 2 ? 0 : fail(&error, TREE_PROTOCOL, 0, "wants a directory");
  cleanup_fd int root = status < 0 ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (status == 0 && root < 0)
    status = fail(&error, TREE_ROOT, errno, "%s", dir);
  /* A root that hides everything below is no entry of the tar, but its mark is. */
  int opaque = status < 0 ? -1 : tree_is_opaque(root);
  if (status == 0 && opaque < 0)
    status = fail(&error, TREE_ROOT, errno, "%s", dir);
  if (opaque == 1)
    status = pack_marker(&pack, "", 0, OPAQUE_MARKER, &error);
  if (status == 0)
    status = tree_walk(root, pack_entry, &pack, &error);
  static const uint8_t end[2 * PACK_BLOCK];
  if (status == 0)
    status = pack_write(&pack.output, end, sizeof end, &error);
  if (status == 0 && pack.output.hash != NULL)
    status = pack_send_digest(&pack.output, &error);
  return pack_end(&pack.output, status, &error);
}
