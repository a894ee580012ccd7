#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "files.h"
#include "pack.h"
#include "wanted.h"

/* A size that fits the answer's head, and memory on the other side. */
#define FILES_ANSWER_MAX (1u << 30)

struct scan {
  FILE *out;
  uint64_t hash;
  uint64_t count;
};

/* FNV-1a: it only has to tell a layer from what a power cut left of it. */
static void mix(struct scan *scan, const void *data, size_t size) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < size; i++)
    scan->hash = (scan->hash ^ bytes[i]) * 0x100000001b3;
}

static void print_hex(FILE *out, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++)
    fprintf(out, "%02x", (unsigned char)bytes[i]);
}

/* Not in the fingerprint, which is compared with those that stores have kept. */
static int print_xattrs(struct scan *scan, const struct tree_entry *entry, struct error *error) {
  static char names[XATTR_LIST_MAX];
  static char value[XATTR_SIZE_MAX];
  char path[sizeof "/proc/self/fd/" + 16 + NAME_MAX];
  if ((size_t)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", entry->parent, entry->name) >= sizeof path)
    return fail(error, TREE_READ, ENAMETOOLONG, "%s", entry->path);
  ssize_t size = llistxattr(path, names, sizeof names);
  if (size < 0)
    return errno == ENOTSUP ? 0 : fail(error, TREE_READ, errno, "%s", entry->path);
  bool found = false;
  for (const char *name = names; name < names + size; name += strlen(name) + 1) {
    if (!files_is_copied_xattr(name))
      continue;
    ssize_t got = lgetxattr(path, name, value, sizeof value);
    if (got < 0)
      return fail(error, TREE_READ, errno, "%s", entry->path);
    if (!found)
      fprintf(scan->out, "x/%s%c", entry->path, '\0');
    found = true;
    print_hex(scan->out, name, strlen(name));
    fputc('=', scan->out);
    print_hex(scan->out, value, (size_t)got);
    fputc(',', scan->out);
  }
  if (found)
    fputc('\0', scan->out);
  return 0;
}

static int visit(void *context, const struct tree_entry *entry, struct error *error) {
  struct scan *scan = context;
  const struct stat *stat = &entry->stat;
  int64_t numbers[] = {stat->st_mode,
                       stat->st_uid,
                       stat->st_gid,
                       S_ISDIR(stat->st_mode) ? 0 : stat->st_size,
                       (int64_t)stat->st_rdev,
                       stat->st_mtim.tv_sec,
                       stat->st_mtim.tv_nsec,
                       entry->opaque};
  mix(scan, entry->path, entry->path_size + 1);
  mix(scan, numbers, sizeof numbers);
  scan->count++;
  if (entry->opaque)
    fprintf(scan->out, "o/%s%c", entry->path, '\0');
  if (entry->is_other) {
    char text[WANTED_TEXT_MAX];
    const struct wanted wanted = {stat->st_mode & S_IFMT, stat->st_uid, stat->st_gid, stat->st_rdev};
    wanted_format(&wanted, text, sizeof text);
    fprintf(scan->out, "w/%s%c%s%c", entry->path, '\0', text, '\0');
  }
  return S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode) ? print_xattrs(scan, entry, error) : 0;
}

/* Writes the answer's fields (files.h). */
static int scan_layer(const char *path, FILE *out, struct error *error) {
  struct scan scan = {.out = out, .hash = 0xcbf29ce484222325};
  cleanup_fd int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int opaque = root < 0 ? -1 : tree_is_opaque(root);
  if (opaque < 0)
    return fail(error, TREE_ROOT, errno, "%s", path);
  if (opaque == 1)
    fprintf(out, "o/%c", '\0');
  if (tree_walk(root, visit, &scan, error) < 0)
    return -1;
  fprintf(out, "%" PRIu64 "-%016" PRIx64, scan.count, scan.hash);
  return 0;
}

int files_scan(const char *path) {
  struct error error;
  cleanup_free char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  int status = out == NULL ? fail(&error, TREE_READ, errno, "%s", path) : scan_layer(path, out, &error);
  if (out != NULL && fclose(out) != 0 && status == 0)
    status = fail(&error, TREE_READ, errno, "%s", path);
  if (status == 0 && size > FILES_ANSWER_MAX)
    status = fail(&error, TREE_UNSUPPORTED, E2BIG, "%s", path);
  struct pack_output output = {.fd = STDOUT_FILENO};
  if (status == 0)
    status = pack_write(&output, text, size, &error);
  return pack_end(&output, status, &error);
}

int files_remove(const char *path) {
  struct error error;
  if (tree_remove(AT_FDCWD, path, path, &error) == 0)
    return files_acknowledge(&error) < 0 ? 1 : 0;
  tree_report(STDOUT_FILENO, &error);
  return 0;
}
