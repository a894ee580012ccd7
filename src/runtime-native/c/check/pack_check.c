/* Headers of a layer's tar, read back by a reader of ustar and PAX records of its own: nothing is lost, nothing is added. */
#include "pack.h"

#include <inttypes.h>

#include "check.h"

#define ROUNDS 20000

/* An entry as it was read. */
struct entry {
  char path[1200];
  char link[1200];
  char capability[64];
  size_t capability_size;
  char type;
  uint64_t mode, uid, gid, size, major, minor;
  int64_t mtime;
  /* Keys in their order. */
  char keys[256];
};

static uint64_t octal_of(const uint8_t *field, size_t size) {
  uint64_t value = 0;
  EXPECT(field[size - 1] == '\0' || field[size - 1] == ' ', "a field without an end");
  for (size_t i = 0; i < size - 1 && field[i] != '\0'; i++) {
    EXPECT(field[i] >= '0' && field[i] <= '7', "%02x is no digit", field[i]);
    value = value * 8 + (uint64_t)(field[i] - '0');
  }
  return value;
}

static const uint8_t *read_header(const uint8_t *at, struct entry *entry) {
  unsigned sum = 0;
  for (size_t i = 0; i < PACK_BLOCK; i++)
    sum += i >= 148 && i < 156 ? ' ' : at[i];
  EXPECT(octal_of(at + 148, 7) == sum && memcmp(at + 257, "ustar\00000", 8) == 0, "sum %u", sum);
  memcpy(entry->path, at, 100);
  memcpy(entry->link, at + 157, 100);
  entry->path[100] = entry->link[100] = '\0';
  entry->mode = octal_of(at + 100, 8);
  entry->uid = octal_of(at + 108, 8);
  entry->gid = octal_of(at + 116, 8);
  entry->size = octal_of(at + 124, 12);
  entry->mtime = (int64_t)octal_of(at + 136, 12);
  entry->type = (char)at[156];
  entry->major = octal_of(at + 329, 8);
  entry->minor = octal_of(at + 337, 8);
  for (size_t i = 345; i < PACK_BLOCK; i++)
    EXPECT(at[i] == 0, "byte %zu is %02x", i, at[i]);
  return at + PACK_BLOCK;
}

/* `<length> <key>=<value>\n` (POSIX pax Extended Header). */
static void read_records(const uint8_t *at, size_t size, struct entry *entry) {
  const uint8_t *end = at + size;
  while (at < end) {
    char *rest;
    unsigned long length = strtoul((const char *)at, &rest, 10);
    const char *key = rest + 1, *equals = memchr(key, '=', 64);
    EXPECT(*rest == ' ' && equals != NULL && at + length <= end && at[length - 1] == '\n', "a record of %lu bytes", length);
    const char *value = equals + 1;
    size_t value_size = (size_t)((const char *)at + length - 1 - value), key_size = (size_t)(equals - key);
    snprintf(entry->keys + strlen(entry->keys), sizeof entry->keys - strlen(entry->keys), "%.*s ", (int)key_size, key);
    if (strncmp(key, "path=", 5) == 0)
      snprintf(entry->path, sizeof entry->path, "%.*s", (int)value_size, value);
    else if (strncmp(key, "linkpath=", 9) == 0)
      snprintf(entry->link, sizeof entry->link, "%.*s", (int)value_size, value);
    else if (strncmp(key, "uid=", 4) == 0)
      entry->uid = strtoull(value, NULL, 10);
    else if (strncmp(key, "gid=", 4) == 0)
      entry->gid = strtoull(value, NULL, 10);
    else if (strncmp(key, "size=", 5) == 0)
      entry->size = strtoull(value, NULL, 10);
    else if (strncmp(key, "mtime=", 6) == 0)
      entry->mtime = strtoll(value, NULL, 10);
    else {
      EXPECT(strncmp(key, "SCHILY.xattr.security.capability=", 33) == 0 && value_size <= sizeof entry->capability, "%.*s",
             (int)key_size, key);
      memcpy(entry->capability, value, value_size);
      entry->capability_size = value_size;
    }
    at += length;
  }
}

/* What the output wrote, without the frames around it. The caller frees it. */
static uint8_t *unframe(int fd, size_t *size) {
  uint8_t *bytes = NULL;
  *size = 0;
  EXPECT(lseek(fd, 0, SEEK_SET) == 0, "errno %d", errno);
  for (uint32_t part; read_all(fd, &part, sizeof part) == sizeof part; *size += part) {
    bytes = must(realloc(bytes, *size + part));
    EXPECT(read_all(fd, bytes + *size, part) == (ssize_t)part, "a frame of %u bytes", part);
  }
  return bytes;
}

static size_t random_name(char *name, bool ascii) {
  size_t size = draw(3) == 0 ? 90 + draw(20) : 1 + draw(draw(10) == 0 ? 1100 : 60);
  for (size_t i = 0; i < size; i++)
    name[i] = ascii ? (char)('a' + draw(26)) : (char)(1 + draw(255));
  name[size] = '\0';
  return size;
}

static uint64_t random_number(unsigned bits) {
  uint64_t number = (uint64_t)draw(UINT32_MAX) << 32 | draw(UINT32_MAX);
  return number >> (64 - bits + draw(bits));
}

static void check_header(struct pack_output *output) {
  char path[1200], link[1200], capability[24];
  bool ascii = draw(2) == 0;
  struct pack_header header = {.path = path, .path_size = random_name(path, ascii), .type = "0123456"[draw(7)]};
  if (header.type == '1' || header.type == '2') {
    header.link = link;
    header.link_size = random_name(link, ascii);
  }
  header.mode = draw(07777 + 1);
  header.uid = (uint32_t)random_number(32);
  header.gid = (uint32_t)random_number(32);
  header.size = header.type == '0' ? random_number(63) : 0;
  header.mtime = (int64_t)random_number(63) * (draw(8) == 0 ? -1 : 1);
  header.major = draw(4096);
  header.minor = draw(1u << 20);
  if (header.type == '0' && draw(3) == 0) {
    for (size_t i = 0; i < sizeof capability; i++)
      capability[i] = (char)draw(256);
    header.capability = capability;
    header.capability_size = draw(2) == 0 ? 20 : 24;
  }
  struct error error;
  output->fd = memory_file("", 0);
  EXPECT(pack_header(output, &header, &error) == 0 && pack_flush(output, &error) == 0, "%s", error.detail);
  size_t size;
  uint8_t *bytes = unframe(output->fd, &size);
  close(output->fd);
  static struct entry entry;
  entry = (struct entry){.type = 0};
  const uint8_t *at = read_header(bytes, &entry);
  if (entry.type == 'x') {
    const uint8_t *body = at;
    size_t body_size = entry.size;
    at = read_header(body + body_size + (-body_size & (PACK_BLOCK - 1)), &entry);
    read_records(body, body_size, &entry);
  }
  EXPECT((size_t)(at - bytes) == size, "%zu bytes of %zu", (size_t)(at - bytes), size);
  EXPECT(strcmp(entry.path, path) == 0, "path '%s' is '%s'", path, entry.path);
  EXPECT(strcmp(entry.link, header.link == NULL ? "" : link) == 0, "link '%s'", entry.link);
  EXPECT(entry.type == header.type && entry.mode == header.mode, "type %c", entry.type);
  EXPECT(entry.uid == header.uid && entry.gid == header.gid, "%" PRIu64 ":%" PRIu64, entry.uid, entry.gid);
  EXPECT(entry.size == header.size && entry.mtime == header.mtime, "%" PRIu64 " at %" PRId64, entry.size, entry.mtime);
  EXPECT(entry.capability_size == header.capability_size, "%zu", entry.capability_size);
  EXPECT(memcmp(entry.capability, capability, header.capability_size) == 0, "capability");
  free(bytes);
}

/* Content that has another size than its header says is not packed. */
static void check_content(struct pack_output *output) {
  static uint8_t data[600000];
  for (unsigned round = 0; round < 200; round++) {
    size_t size = draw(round % 4 == 0 ? sizeof data : 2000);
    for (size_t i = 0; i < size; i++)
      data[i] = (uint8_t)draw(256);
    long difference = round % 3 == 0 ? (long)draw(3) - 1 : 0;
    if ((long)size + difference < 0)
      continue;
    struct error error = {0};
    int fd = memory_file(data, size);
    output->fd = memory_file("", 0);
    int status = pack_content(output, fd, (uint64_t)((long)size + difference), "file", &error);
    EXPECT((status == 0) == (difference == 0), "%zu bytes and %ld", size, difference);
    EXPECT(status == 0 || error.stage == TREE_CHANGED, "stage %u", error.stage);
    EXPECT(pack_flush(output, &error) == 0, "%s", error.detail);
    if (status == 0) {
      size_t packed;
      uint8_t *bytes = unframe(output->fd, &packed);
      EXPECT(packed == size + (-size & (PACK_BLOCK - 1)) && (size == 0 || memcmp(bytes, data, size) == 0), "%zu", packed);
      for (size_t i = size; i < packed; i++)
        EXPECT(bytes[i] == 0, "padding");
      free(bytes);
    }
    close(output->fd);
    close(fd);
  }
}

/* Which file came first, for more files than the table starts with. */
static void check_links(void) {
  static struct pack_links links;
  int failed;
  char path[32];
  for (unsigned pass = 0; pass < 2; pass++) {
    for (unsigned i = 0; i < 3000; i++) {
      snprintf(path, sizeof path, "%u-%u", pass, i);
      const char *first = pack_first_path(&links, i % 7, i / 7, path, &failed);
      EXPECT(failed == 0 && (first == NULL) == (pass == 0), "link %u", i);
      EXPECT(first == NULL || (strncmp(first, "0-", 2) == 0 && strcmp(first + 2, path + 2) == 0), "%s is %s", path, first);
    }
  }
  EXPECT(links.count == 3000, "%zu", links.count);
}

int main(void) {
  struct pack_output output = {.fd = -1};
  for (unsigned round = 0; round < ROUNDS; round++)
    check_header(&output);
  check_content(&output);
  free(output.buffer);
  check_links();
  printf("pack: %d headers\n", ROUNDS);
  return 0;
}
