/* The values of a description's records: each reader checks the current one and stores it. For spec.c alone. */
#ifndef TSBUILD_SPEC_VALUES_H
#define TSBUILD_SPEC_VALUES_H

#include "profile.h"
#include "spec.h"

/* One record: u16 key size, u32 value size, both little endian, then the key, the value and a NUL. */
struct record {
  const char *key;
  size_t key_size;
  /* Terminated; `value_size` tells of an inner NUL. */
  const char *value;
  size_t value_size;
};

struct parser {
  struct container_spec *spec;
  /* What completes it at the end. */
  struct profile profile;
  struct error *error;
  const struct record *record;
  /* The keys with a single value that were seen. */
  uint64_t seen;
  /* Those of `resource.`. */
  uint32_t seen_resources;
  size_t strings;
  bool ended;
};

/* Fails because of the current record: `why` continues its key. */
int spec_reject(struct parser *parser, const char *why);

int spec_read_string(struct parser *parser, const char **out);
/* An absolute path, shorter than SPEC_PATH_MAX. */
int spec_read_path(struct parser *parser, const char **out);
/* `0` or `1`. */
int spec_read_bool(struct parser *parser, bool *out);
/* One of two words. */
/* One of `words`; *out is which. */
int spec_read_word(struct parser *parser, const char *const *words, size_t count, unsigned *out);
int spec_read_choice(struct parser *parser, const char *no, const char *yes, bool *out);
/* Decimal, at most `limit`. */
int spec_read_number(struct parser *parser, uint64_t limit, uint64_t *out);
/* The same with a sign, in a range. */
int spec_read_signed(struct parser *parser, int lowest, int highest, int *out);
/* A number or `unlimited`, which is RLIM_INFINITY. */
int spec_read_limit(struct parser *parser, uint64_t *out);
/* A name that is safe as a directory of the cgroup file systems. */
int spec_read_id(struct parser *parser, const char **out);
/* One more of at most `limit` strings or paths. */
int spec_append(struct parser *parser, struct string_list *list, size_t limit);
int spec_append_path(struct parser *parser, struct string_list *list, size_t limit);

#endif
