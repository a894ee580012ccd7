/* Lists of operations on files (files_input.c), read and not carried out. */
#include "files.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct files_state state = {.beside = -1, .input = {.fd = memory_file(data, size)}};
  struct error error = {0};
  const struct files_operation *operation = &state.operation;
  int content = memory_file("", 0), status;
  while ((status = files_read(&state, &error)) == 1) {
    EXPECT(strlen(operation->path) <= operation->record.path_size && strlen(operation->text) <= operation->record.text_size,
           "a path with a zero byte");
    EXPECT(operation->record.mtime_nsec < 1000000000, "%u ns", operation->record.mtime_nsec);
    if (operation->record.op == FILES_FILE && files_content(&state, content, &error) < 0)
      break;
  }
  EXPECT(status == 0 || error.stage == TREE_PROTOCOL, "stage %u", error.stage);
  EXPECT((size_t)lseek(content, 0, SEEK_END) <= size, "more content than there was");
  close(content);
  close(state.input.fd);
  free(state.operation.path);
  free(state.operation.text);
  free(state.operation.xattrs);
  free(state.input.buffer);
  return 0;
}
