/* Archives (tar_*.c): each block that says so is made a good header, or nothing behind its checksum would be reached. */
#include "tar.h"

#include "fuzz.h"

/* Files that say they are larger are not written: a size is the archive's word. */
#define WRITTEN_MAX (1u << 16)

static void mend_checksums(uint8_t *data, size_t size) {
  for (size_t at = 0; at + TAR_BLOCK <= size; at += TAR_BLOCK) {
    uint8_t *block = data + at;
    unsigned sum = 0;
    if (memcmp(block + 257, "ustar", 5) != 0)
      continue;
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
      sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
  }
}

static int read_content(struct tar_reader *reader, struct error *error) {
  int file = memory_file("", 0);
  int status = tar_content(reader, file, "file", error);
  EXPECT(status < 0 || (uint64_t)lseek(file, 0, SEEK_END) == reader->entry.size, "another size");
  close(file);
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct tar_limits limits = {.entries = 64, .path_bytes = 512, .header_bytes = 4096};
  if (size == 0)
    return 0;
  /* The first byte says how the archive comes. */
  const bool framed = (data[0] & 1) != 0;
  uint8_t *copy = exact_copy(data + 1, size - 1);
  if (!framed)
    mend_checksums(copy, size - 1);
  struct tar_reader reader;
  struct error error = {0};
  int fd = memory_file(copy, size - 1), status;
  tar_open(&reader, fd, framed, &limits);
  while ((status = tar_next(&reader, &error)) == 1) {
    EXPECT(reader.count <= limits.entries && strlen(reader.entry.path) <= limits.path_bytes, "over the limits");
    EXPECT(reader.entry.mode <= 07777 && reader.entry.mtime_nsec < 1000000000, "mode %o", reader.entry.mode);
    if (reader.entry.type == TAR_FILE && reader.entry.size < WRITTEN_MAX && read_content(&reader, &error) < 0)
      break;
  }
  if (status == 0)
    status = tar_drain(&reader.input, &error);
  EXPECT(status == 0 || error.stage != 0, "no reason");
  tar_close(&reader);
  close(fd);
  free(copy);
  return 0;
}
