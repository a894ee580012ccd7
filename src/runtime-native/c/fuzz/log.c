/* What another runtime writes down when it fails (external_log.c): always a failure with a reason that fits. */
#include "external_log.h"

#include "fuzz.h"
#include "stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const arguments[] = {"tool", "/bin/tool"};
  for (size_t i = 0; i < COUNT(arguments); i++) {
    struct error error = {0};
    char *text = text_copy(data, size);
    EXPECT(external_log_error(text, size, arguments[i], "runc", &error) == -1, "no failure");
    EXPECT(error.stage == STAGE_RUNTIME || error.stage == STAGE_EXEC || (error.stage == STAGE_LOOKUP && i == 0), "stage %u",
           error.stage);
    EXPECT(error.detail[0] != '\0' && memchr(error.detail, '\0', sizeof error.detail) != NULL, "no reason");
    free(text);
  }
  return 0;
}
