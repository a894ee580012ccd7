#include "sha256.h"

#include <endian.h>
#include <string.h>

/* FIPS 180-4, 4.2.2: from the cube roots of the first 64 primes. */
const uint32_t sha256_rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, unsigned count) { return word >> count | word << (32 - count); }

void sha256_portable(uint32_t state[8], const uint8_t *data, size_t blocks) {
  for (; blocks > 0; blocks--, data += SHA256_BLOCK) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
      memcpy(&w[i], data + 4 * i, sizeof w[i]);
      w[i] = be32toh(w[i]);
    }
    for (int i = 16; i < 64; i++) {
      uint32_t low = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
      uint32_t high = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
      uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
      uint32_t first = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + sha256_rounds[i] + w[i];
      uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
      h = g;
      g = f;
      f = e;
      e = d + first;
      d = c;
      c = b;
      b = a;
      a = first + second;
    }
    const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
      state[i] += sums[i];
  }
}

void sha256_init(struct sha256 *hash) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  sha256_compress *accelerated = sha256_accelerated();
  hash->compress = accelerated == NULL ? sha256_portable : accelerated;
  hash->size = 0;
  memcpy(hash->state, start, sizeof start);
}

void sha256_update(struct sha256 *hash, const void *data, size_t size) {
  const uint8_t *at = data;
  size_t used = hash->size % SHA256_BLOCK;
  hash->size += size;
  if (used > 0) {
    size_t part = SHA256_BLOCK - used < size ? SHA256_BLOCK - used : size;
    memcpy(hash->tail + used, at, part);
    if (used + part < SHA256_BLOCK)
      return;
    hash->compress(hash->state, hash->tail, 1);
    at += part;
    size -= part;
  }
  if (size >= SHA256_BLOCK)
    hash->compress(hash->state, at, size / SHA256_BLOCK);
  if (size % SHA256_BLOCK > 0)
    memcpy(hash->tail, at + size / SHA256_BLOCK * SHA256_BLOCK, size % SHA256_BLOCK);
}

void sha256_final(struct sha256 *hash, uint8_t digest[SHA256_SIZE]) {
  static const uint8_t padding[SHA256_BLOCK] = {0x80};
  const uint64_t bits = htobe64(hash->size * 8);
  size_t used = hash->size % SHA256_BLOCK;
  /* A one, zeroes, and the size at the end of a block. */
  sha256_update(hash, padding, (used < 56 ? 56 : 120) - used);
  sha256_update(hash, &bits, sizeof bits);
  for (int i = 0; i < 8; i++) {
    uint32_t word = htobe32(hash->state[i]);
    memcpy(digest + 4 * i, &word, sizeof word);
  }
}
