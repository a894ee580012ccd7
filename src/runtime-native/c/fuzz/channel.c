/* What tsbuild sends to the helper (channel.c), cut anywhere. */
#include "channel.h"

#include "fuzz.h"
#include "spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int fd = memory_file(data, size);
  struct message_head head;
  uint8_t *bytes;
  size_t taken = 0;
  while (channel_receive(fd, &head, &bytes)) {
    EXPECT(taken + sizeof head + head.size <= size && head.size <= SPEC_SIZE_MAX, "%u bytes", head.size);
    EXPECT(head.size == 0 || memcmp(bytes, data + taken + sizeof head, head.size) == 0, "other data");
    EXPECT((bytes == NULL) == (head.size == 0) && (bytes == NULL || bytes[head.size] == 0), "no end");
    taken += sizeof head + head.size;
    free(bytes);
  }
  EXPECT(bytes == NULL, "memory of a failure");
  close(fd);
  return 0;
}
