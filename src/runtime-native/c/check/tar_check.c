/* The reader of archives on random changes of good ones: it ends, with entries within the limits or a reason. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io.h"
#include "tar.h"
#include "tree.h"

#define ROUNDS 20000
#define BLOCKS_MAX 12

static void put_header(uint8_t *block, const char *name, char type, unsigned size) {
  memset(block, 0, TAR_BLOCK);
  snprintf((char *)block, 100, "%s", name);
  snprintf((char *)block + 100, 8, "%07o", 0644);
  snprintf((char *)block + 124, 12, "%011o", size);
  block[156] = (uint8_t)type;
  memcpy(block + 257, type == 'S' ? "ustar  " : "ustar\0" "00", 8);
  if (type == 'S') {
    snprintf((char *)block + 386, 12, "%011o", 1024);
    snprintf((char *)block + 398, 12, "%011o", size);
    snprintf((char *)block + 483, 12, "%011o", 4096);
  }
}

static void put_checksum(uint8_t *block) {
  unsigned sum = 0;
  memset(block + 148, ' ', 8);
  for (size_t i = 0; i < TAR_BLOCK; i++)
    sum += block[i];
  snprintf((char *)block + 148, 8, "%06o", sum);
}

/* Headers keep a right checksum whatever else is changed in them, or nothing behind it would be reached. */
static size_t random_archive(uint8_t *data) {
  static const char *const records[] = {
      "12 path=a/b\n",
      "10 size=5\n",
      "22 GNU.sparse.size=99\n19 GNU.sparse.map=1,2\n",
      "22 GNU.sparse.major=1\n26 GNU.sparse.realsize=99\n",
      "27 SCHILY.xattr.user.a=abc\n",
      "18 mtime=-5.000001\n",
  };
  static const char types[] = "0123456725SxxxgLKV";
  size_t size = 0;
  for (int i = 0; i < BLOCKS_MAX / 2; i++) {
    const char type = types[(size_t)random() % (sizeof types - 1)];
    const char *content = records[(size_t)random() % (sizeof records / sizeof records[0])];
    put_header(data + size, "dir/name", type, (unsigned)strlen(content));
    for (long changes = random() % 3; changes > 0; changes--)
      data[size + (size_t)random() % TAR_BLOCK] = (uint8_t)random();
    if (random() % 20 != 0)
      put_checksum(data + size);
    size += TAR_BLOCK;
    memset(data + size, 0, TAR_BLOCK);
    memcpy(data + size, content, strlen(content));
    if (random() % 3 == 0)
      data[size + (size_t)random() % strlen(content)] = (uint8_t)random();
    size += TAR_BLOCK;
  }
  return random() % 4 == 0 ? (size_t)random() % size : size;
}

static int archive_file(const uint8_t *data, size_t size) {
  int fd = memfd_create("archive", MFD_CLOEXEC);
  if (fd < 0 || write_all(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
    exit(2);
  return fd;
}

int main(void) {
  static uint8_t data[BLOCKS_MAX * TAR_BLOCK];
  const struct tar_limits limits = {.entries = 100, .path_bytes = 200, .header_bytes = 400};
  unsigned long entries = 0, whole = 0;
  srandom(7);
  for (int round = 0; round < ROUNDS; round++) {
    struct tar_reader reader;
    struct error error = {0};
    int fd = archive_file(data, random_archive(data));
    tar_open(&reader, fd, false, &limits);
    int status;
    while ((status = tar_next(&reader, &error)) == 1) {
      entries++;
      if (strlen(reader.entry.path) > limits.path_bytes || reader.entry.mode > 07777)
        return 1;
      /* Only small files are written: a size is the archive's word. */
      if (reader.entry.type == TAR_FILE && reader.entry.size < 1 << 20) {
        int file = archive_file(NULL, 0);
        if (tar_content(&reader, file, "file", &error) < 0)
          status = -1;
        else if ((uint64_t)lseek(file, 0, SEEK_END) != reader.entry.size)
          return 1;
        close(file);
        if (status < 0)
          break;
      }
    }
    if (status == 0 && tar_drain(&reader.input, &error) < 0)
      return 1;
    whole += status == 0;
    if (status < 0 && error.stage != TREE_ARCHIVE && error.stage != TREE_LIMIT) {
      fprintf(stderr, "stage %u: %s\n", error.stage, error.detail);
      return 1;
    }
    tar_close(&reader);
    close(fd);
  }
  printf("tar: %d archives, %lu whole, %lu entries\n", ROUNDS, whole, entries);
  return whole > 0 && entries > ROUNDS / 2 ? 0 : 1;
}
