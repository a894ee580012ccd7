/* What fuzz targets share: each file here is a program of libFuzzer's for one reader of input. Nothing in them makes or removes by path. */
#ifndef TSBUILD_FUZZ_H
#define TSBUILD_FUZZ_H

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy with a zero byte after it, as files and messages are read. The caller frees it. */
static inline char *text_copy(const uint8_t *data, size_t size) {
  char *text = must(malloc(size + 1));
  if (size > 0)
    memcpy(text, data, size);
  text[size] = '\0';
  return text;
}

/* The input in two parts, which a byte 0xff divides. Each with a zero byte after it, for the caller to free. */
static inline void two_texts(const uint8_t *data, size_t size, char **first, char **second) {
  const uint8_t *middle = size == 0 ? NULL : memchr(data, 0xff, size);
  const size_t length = middle == NULL ? size : (size_t)(middle - data);
  *first = text_copy(data, length);
  *second = middle == NULL ? text_copy(data, 0) : text_copy(middle + 1, size - length - 1);
}

#endif
