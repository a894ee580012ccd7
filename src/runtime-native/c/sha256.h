/* SHA-256 (FIPS 180-4), by the instructions for it where the processor has them. */
#ifndef TSBUILD_SHA256_H
#define TSBUILD_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_BLOCK 64

/* Takes `blocks` whole blocks at `data` into the state. */
typedef void sha256_compress(uint32_t state[8], const uint8_t *data, size_t blocks);

struct sha256 {
  uint32_t state[8];
  sha256_compress *compress;
  /* Bytes so far; those beyond the last whole block are in `tail`. */
  uint64_t size;
  uint8_t tail[SHA256_BLOCK];
};

void sha256_init(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const void *data, size_t size);
void sha256_final(struct sha256 *hash, uint8_t digest[SHA256_SIZE]);

/* The round constants, for all ways. */
extern const uint32_t sha256_rounds[64];

sha256_compress sha256_portable;

/* The processor's own way, or NULL. */
sha256_compress *sha256_accelerated(void);

#endif
