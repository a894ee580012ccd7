/* SHA-256: the examples of FIPS 180-4 and NIST's million letters; both ways agree on any bytes in any pieces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

#define ROUNDS 2000
#define SIZE_MAX_CHECKED 1000

static void hex_of(struct sha256 *hash, char hex[65]) {
  uint8_t digest[SHA256_SIZE];
  sha256_final(hash, digest);
  for (int i = 0; i < SHA256_SIZE; i++)
    sprintf(hex + 2 * i, "%02x", digest[i]);
}

static void expect(const char *what, const char *got, const char *wanted) {
  if (strcmp(got, wanted) == 0)
    return;
  fprintf(stderr, "%s: %s instead of %s\n", what, got, wanted);
  exit(1);
}

static void check_known(sha256_compress *compress) {
  static const struct {
    const char *text;
    int repeated;
    const char *digest;
  } known[] = {
      {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    struct sha256 hash;
    sha256_init(&hash);
    hash.compress = compress;
    for (int n = 0; n < known[i].repeated; n++)
      sha256_update(&hash, known[i].text, strlen(known[i].text));
    char hex[65];
    hex_of(&hash, hex);
    expect(known[i].text, hex, known[i].digest);
  }
}

/* Once whole by one way, once in random pieces by the other. */
static void check_agreement(sha256_compress *one, sha256_compress *other) {
  srandom(1);
  for (int round = 0; round < ROUNDS; round++) {
    uint8_t data[SIZE_MAX_CHECKED];
    size_t size = (size_t)random() % (sizeof data + 1);
    for (size_t i = 0; i < size; i++)
      data[i] = (uint8_t)random();
    struct sha256 whole, pieces;
    sha256_init(&whole);
    whole.compress = one;
    sha256_update(&whole, data, size);
    sha256_init(&pieces);
    pieces.compress = other;
    for (size_t at = 0; at < size;) {
      size_t part = 1 + (size_t)random() % (size - at);
      sha256_update(&pieces, data + at, part);
      at += part;
    }
    char wanted[65], got[65];
    hex_of(&whole, wanted);
    hex_of(&pieces, got);
    expect("random bytes in pieces", got, wanted);
  }
}

int main(void) {
  sha256_compress *accelerated = sha256_accelerated();
  check_known(sha256_portable);
  check_agreement(sha256_portable, sha256_portable);
  if (accelerated == NULL) {
    printf("SKIPPED: this processor has no instructions for SHA-256\n");
    return 0;
  }
  check_known(accelerated);
  check_agreement(sha256_portable, accelerated);
  return 0;
}
