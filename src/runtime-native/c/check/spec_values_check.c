/* The values of a description, one reader at a time, at the edges of what each takes. */
#include "spec_values.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "check.h"
#include "stage.h"

#define ROUNDS 50000

/* A record in memory of exactly its size, as in a description: the key, the value, a NUL. */
struct held {
  struct record record;
  struct parser parser;
  struct error error;
  char *memory;
};

static struct parser *hold(struct held *held, const char *value, size_t size) {
  *held = (struct held){.memory = must(malloc(size + 4))};
  memcpy(held->memory, "key", 3);
  memcpy(held->memory + 3, value, size);
  held->memory[size + 3] = '\0';
  held->record = (struct record){.key = held->memory, .key_size = 3, .value = held->memory + 3, .value_size = size};
  held->parser = (struct parser){.record = &held->record, .error = &held->error};
  return &held->parser;
}

static void let_go(struct held *held, int status) {
  EXPECT(status == 0 || (status == -1 && held->error.stage == STAGE_SPEC), "status %d, stage %u", status,
         held->error.stage);
  free(held->memory);
}

static int number(const char *text, uint64_t limit, uint64_t *out) {
  struct held held;
  int status = spec_read_number(hold(&held, text, strlen(text)), limit, out);
  let_go(&held, status);
  return status;
}

static void check_numbers(void) {
  static const char *const wrong[] = {"",   " 1", "1 ", "+1", "-1", "0x1", "1e3", "18446744073709551616", "99999999999999999999",
                                      "a", "000000000000000000001", "1\n", "/", ":"};
  uint64_t value;
  for (size_t i = 0; i < COUNT(wrong); i++)
    EXPECT(number(wrong[i], UINT64_MAX, &value) < 0, "'%s' is %" PRIu64, wrong[i], value);
  EXPECT(number("18446744073709551615", UINT64_MAX, &value) == 0 && value == UINT64_MAX, "%" PRIu64, value);
  EXPECT(number("18446744073709551615", UINT64_MAX - 1, &value) < 0, "above the limit");
  for (unsigned round = 0; round < ROUNDS; round++) {
    uint64_t wanted = ((uint64_t)draw(UINT32_MAX) << 32 | draw(UINT32_MAX)) >> draw(64);
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, wanted);
    EXPECT(number(text, wanted, &value) == 0 && value == wanted, "%s is %" PRIu64, text, value);
    EXPECT(wanted == 0 || number(text, wanted - 1, &value) < 0, "%s is above the limit", text);
  }
}

static void check_limits(void) {
  struct held held;
  uint64_t value = 0;
  int status = spec_read_limit(hold(&held, "unlimited", 9), &value);
  let_go(&held, status);
  EXPECT(status == 0 && value == RLIM_INFINITY, "%" PRIu64, value);
  /* The number that means no limit is no number. */
  status = spec_read_limit(hold(&held, "18446744073709551615", 20), &value);
  let_go(&held, status);
  EXPECT(status < 0, "%" PRIu64, value);
}

static void check_words(void) {
  static const struct {
    const char *value;
    size_t size;
    int status;
    bool yes;
  } booleans[] = {{"0", 1, 0, false}, {"1", 1, 0, true}, {"", 0, -1, false}, {"2", 1, -1, false}, {"11", 2, -1, false},
                  {"1\0", 2, -1, false}};
  struct held held;
  for (size_t i = 0; i < COUNT(booleans); i++) {
    bool yes = !booleans[i].yes;
    int status = spec_read_bool(hold(&held, booleans[i].value, booleans[i].size), &yes);
    let_go(&held, status);
    EXPECT(status == booleans[i].status && (status < 0 || yes == booleans[i].yes), "boolean %zu", i);
  }
  static const char *const choices[] = {"no", "yes", "", "yesno", "y", "no\0"};
  for (size_t i = 0; i < COUNT(choices); i++) {
    bool yes = i == 0;
    int status = spec_read_choice(hold(&held, choices[i], i == 5 ? 3 : strlen(choices[i])), "no", "yes", &yes);
    let_go(&held, status);
    EXPECT((status == 0) == (i < 2) && (status < 0 || yes == (i == 1)), "choice %zu", i);
  }
}

static void check_paths(void) {
  char *text = must(malloc(SPEC_PATH_MAX + 1));
  memset(text, 'x', SPEC_PATH_MAX);
  text[0] = '/';
  struct held held;
  const char *path;
  int status = spec_read_path(hold(&held, text, SPEC_PATH_MAX - 1), &path);
  EXPECT(status == 0 && strlen(path) == SPEC_PATH_MAX - 1, "status %d", status);
  let_go(&held, status);
  status = spec_read_path(hold(&held, text, SPEC_PATH_MAX), &path);
  let_go(&held, status);
  EXPECT(status < 0, "a path of %d bytes", SPEC_PATH_MAX);
  static const struct {
    const char *value;
    size_t size;
  } wrong[] = {{"", 0}, {"x", 1}, {"./x", 3}, {"/\0", 2}, {"/a\0b", 4}};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    status = spec_read_path(hold(&held, wrong[i].value, wrong[i].size), &path);
    let_go(&held, status);
    EXPECT(status < 0, "path %zu", i);
  }
  free(text);
}

/* An id becomes a name in the file systems of control groups. */
static void check_ids(void) {
  struct held held;
  for (unsigned round = 0; round < ROUNDS; round++) {
    char value[140];
    size_t size = draw(8) == 0 ? draw(sizeof value) : draw(6);
    bool safe = size > 0 && size <= 128;
    for (size_t i = 0; i < size; i++) {
      static const char likely[] = "abz019_.-/A \0~";
      value[i] = draw(50) == 0 ? (char)draw(256) : likely[draw(draw(4) == 0 ? sizeof likely - 1 : 9)];
      bool plain = (value[i] >= 'a' && value[i] <= 'z') || (value[i] >= '0' && value[i] <= '9');
      bool inner = value[i] == '_' || value[i] == '.' || value[i] == '-';
      safe = safe && (plain || (inner && i > 0));
    }
    const char *id;
    int status = spec_read_id(hold(&held, value, size), &id);
    let_go(&held, status);
    EXPECT((status == 0) == safe, "'%.*s'", (int)size, value);
  }
}

static void check_lists(void) {
  struct string_list list = {.items = NULL};
  struct held held;
  struct parser *parser = hold(&held, "x", 1);
  for (size_t i = 0; i < 1000; i++) {
    EXPECT(spec_append(parser, &list, 1000) == 0, "item %zu", i);
    EXPECT(list.count == i + 1 && list.items[list.count] == NULL, "%zu items", list.count);
  }
  EXPECT(spec_append(parser, &list, 1000) < 0 && list.count == 1000, "%zu items", list.count);
  parser->strings = SPEC_STRINGS_MAX;
  EXPECT(spec_append(parser, &list, 2000) < 0 && list.count == 1000, "%zu items", list.count);
  free(list.items);
  free(held.memory);
}

int main(void) {
  check_numbers();
  check_limits();
  check_words();
  check_paths();
  check_ids();
  check_lists();
  printf("spec_values: %d numbers and ids\n", 2 * ROUNDS);
  return 0;
}
