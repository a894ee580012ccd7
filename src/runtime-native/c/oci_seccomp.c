/* linux.seccomp of a config.json; see oci_config.h. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "oci_config.h"
#include "oci_read.h"

#define RULES_MAX 65536

static const struct {
  const char *name;
  uint32_t action;
  bool takes_errno;
} actions[] = {
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG, false},
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false},
};

/* The action that `key` names, with the errno of `errno_key`, EPERM without one. */
static int read_action(const struct json *object, const char *key, const char *errno_key, uint32_t *out,
                       struct error *error) {
  const char *name = NULL;
  int64_t code = EPERM;
  if (oci_string(object, key, &name, error) < 0 || oci_number(object, errno_key, 0, 4095, &code, error) < 0)
    return -1;
  if (name == NULL)
    return oci_missing(error, object, key);
  for (size_t i = 0; i < OCI_COUNT(actions); i++) {
    if (strcmp(name, actions[i].name) != 0)
      continue;
    if (json_get(object, errno_key) != NULL && !actions[i].takes_errno)
      return oci_reject(error, json_get(object, errno_key), "goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE only");
    *out = actions[i].action | (actions[i].takes_errno ? (uint32_t)code : 0);
    return 0;
  }
  return oci_reject(error, json_get(object, key), "\"%s\" is not supported", name);
}

static int read_argument(const struct json *item, struct seccomp_argument *argument, struct error *error) {
  static const char *const operators[] = {
      [SECCOMP_EQ] = "SCMP_CMP_EQ", [SECCOMP_NE] = "SCMP_CMP_NE", [SECCOMP_LT] = "SCMP_CMP_LT",
      [SECCOMP_LE] = "SCMP_CMP_LE", [SECCOMP_GT] = "SCMP_CMP_GT", [SECCOMP_GE] = "SCMP_CMP_GE",
      [SECCOMP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ"};
  const struct json *value = json_get(item, "value"), *second = json_get(item, "valueTwo");
  const char *operator= NULL;
  int64_t index = -1;
  uint64_t first_value = 0, second_value = 0;
  if (oci_number(item, "index", 0, SECCOMP_ARGUMENTS_MAX - 1, &index, error) < 0 ||
      oci_string(item, "op", &operator, error) < 0)
    return -1;
  if (index < 0)
    return oci_missing(error, item, "index");
  if (operator == NULL)
    return oci_missing(error, item, "op");
  if (value == NULL)
    return oci_missing(error, item, "value");
  if (!json_unsigned(value, &first_value))
    return oci_reject(error, value, "is not a number of 64 bits");
  if (second != NULL && !json_unsigned(second, &second_value))
    return oci_reject(error, second, "is not a number of 64 bits");
  for (size_t i = 0; i < OCI_COUNT(operators); i++) {
    if (strcmp(operator, operators[i]) != 0)
      continue;
    *argument = (struct seccomp_argument){(unsigned)index, (enum seccomp_comparison)i, first_value, 0};
    /* There `value` is the mask, and `valueTwo` what must be left. */
    if (i == SECCOMP_MASKED_EQ)
      argument->mask = first_value, argument->value = second_value;
    return 0;
  }
  return oci_reject(error, json_get(item, "op"), "\"%s\" is not a comparison", operator);
}

/* One item of `syscalls`. */
struct entry {
  const struct json *names;
  uint32_t action;
  struct seccomp_argument *arguments;
  size_t argument_count;
  /* Conditions on one argument are alternatives, as in libseccomp's users; then each makes a rule of its own. */
  bool are_alternatives;
};

static int read_arguments(const struct json *item, struct entry *entry, struct container_spec *spec,
                          struct error *error) {
  const struct json *list;
  size_t count = 0;
  if (oci_array(item, "args", &list, error) < 0)
    return -1;
  for (const struct json *each = list == NULL ? NULL : list->first; each != NULL; each = each->next)
    count++;
  entry->arguments = spec_allocate(spec, count * sizeof *entry->arguments);
  if (entry->arguments == NULL)
    return oci_reject(error, item, "does not fit into memory");
  unsigned seen = 0;
  for (const struct json *each = list == NULL ? NULL : list->first; each != NULL; each = each->next) {
    struct seccomp_argument *argument = &entry->arguments[entry->argument_count++];
    if (read_argument(each, argument, error) < 0)
      return -1;
    entry->are_alternatives = entry->are_alternatives || (seen & 1u << argument->index) != 0;
    seen |= 1u << argument->index;
  }
  return 0;
}

static int read_entry(const struct json *item, struct entry *entry, struct container_spec *spec, struct error *error) {
  if (item->kind != JSON_OBJECT)
    return oci_reject(error, item, "is not an object");
  if (oci_array(item, "names", &entry->names, error) < 0 ||
      read_action(item, "action", "errnoRet", &entry->action, error) < 0)
    return -1;
  return entry->names == NULL ? oci_missing(error, item, "names") : read_arguments(item, entry, spec, error);
}

struct rules {
  struct seccomp_rule *items;
  size_t count;
  size_t capacity;
};

static bool add_rule(struct rules *rules, uint32_t number, uint32_t action, const struct seccomp_argument *arguments,
                     size_t count) {
  if (rules->count == rules->capacity) {
    size_t capacity = rules->capacity == 0 ? 1024 : rules->capacity * 2;
    struct seccomp_rule *grown = capacity > RULES_MAX ? NULL : realloc(rules->items, capacity * sizeof *grown);
    if (grown == NULL)
      return false;
    rules->items = grown;
    rules->capacity = capacity;
  }
  rules->items[rules->count++] = (struct seccomp_rule){number, action, arguments, count};
  return true;
}

/* The rules that an entry is for one table. A name that the table does not have is a call of another machine or kernel. */
static int add_entry(struct rules *rules, const struct entry *entry, const struct seccomp_table *table,
                     struct error *error) {
  for (const struct json *item = entry->names->first; item != NULL; item = item->next) {
    const char *name = oci_item(item, error);
    uint32_t number;
    bool added = true;
    if (name == NULL)
      return -1;
    if (!seccomp_number(table, name, &number))
      continue;
    if (!entry->are_alternatives)
      added = add_rule(rules, number, entry->action, entry->arguments, entry->argument_count);
    for (size_t i = 0; entry->are_alternatives && added && i < entry->argument_count; i++)
      added = add_rule(rules, number, entry->action, &entry->arguments[i], 1);
    if (!added)
      return oci_reject(error, item, "is one rule too many");
  }
  return 0;
}

/* Which tables the filter is for: the machine's own always, and those of `architectures`. Others cannot run here. */
static int read_architectures(const struct json *seccomp, bool *wanted, struct error *error) {
  const struct json *list;
  if (oci_array(seccomp, "architectures", &list, error) < 0)
    return -1;
  wanted[0] = true;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    const char *name = oci_item(item, error);
    if (name == NULL)
      return -1;
    if (strncmp(name, "SCMP_ARCH_", 10) != 0)
      return oci_reject(error, item, "\"%s\" is not an architecture", name);
    for (size_t i = 0; i < seccomp_table_count; i++)
      wanted[i] = wanted[i] || strcmp(name, seccomp_tables[i]->scmp_name) == 0;
  }
  return 0;
}

static int read_flags(const struct json *seccomp, unsigned *flags, struct error *error) {
  static const struct {
    const char *name;
    unsigned flag;
  } known[] = {{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
               {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
               {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW}};
  const struct json *list;
  if (oci_array(seccomp, "flags", &list, error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    const char *name = oci_item(item, error);
    size_t at = 0;
    if (name == NULL)
      return -1;
    while (at < OCI_COUNT(known) && strcmp(name, known[at].name) != 0)
      at++;
    if (at == OCI_COUNT(known))
      return oci_reject(error, item, "\"%s\" is not supported", name);
    *flags |= known[at].flag;
  }
  return 0;
}

static int add_tables(const struct entry *entries, size_t entry_count, const bool *wanted, struct seccomp_filter *filter,
                      struct seccomp_arch *arches, struct rules *rules, struct error *error) {
  size_t starts[8] = {0};
  for (size_t i = 0; i < seccomp_table_count; i++) {
    const struct seccomp_table *table = seccomp_tables[i];
    if (!wanted[i])
      continue;
    if (filter->arch_count == 0 || arches[filter->arch_count - 1].arch != table->arch) {
      starts[filter->arch_count] = rules->count;
      arches[filter->arch_count++] = (struct seccomp_arch){.arch = table->arch};
    }
    for (size_t entry = 0; entry < entry_count; entry++) {
      /* What is done anyway needs no rule. */
      if (entries[entry].action != filter->default_action &&
          add_entry(rules, &entries[entry], table, error) < 0)
        return -1;
    }
    arches[filter->arch_count - 1].rule_count = rules->count - starts[filter->arch_count - 1];
  }
  for (size_t i = 0; i < filter->arch_count; i++)
    arches[i].rules = rules->items == NULL ? NULL : rules->items + starts[i];
#if defined(__x86_64__)
  arches[0].refuses_x32 = !wanted[1];
#endif
  return 0;
}

int oci_seccomp(const struct json *seccomp, struct container_spec *spec, struct error *error) {
  static const char *const unsupported[] = {"listenerPath", "listenerMetadata"};
  struct seccomp_filter filter = {.foreign_action = SECCOMP_RET_KILL_THREAD};
  struct seccomp_arch arches[8] = {0};
  bool wanted[8] = {false};
  const struct json *list;
  size_t count = 0;
  if (oci_unsupported(seccomp, unsupported, OCI_COUNT(unsupported), error) < 0 ||
      read_action(seccomp, "defaultAction", "defaultErrnoRet", &filter.default_action, error) < 0 ||
      read_architectures(seccomp, wanted, error) < 0 || oci_array(seccomp, "syscalls", &list, error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next)
    count++;
  struct entry *entries = spec_allocate(spec, count * sizeof *entries);
  struct seccomp_program *program = spec_allocate(spec, sizeof *program);
  if (entries == NULL || program == NULL)
    return oci_reject(error, seccomp, "does not fit into memory");
  if (read_flags(seccomp, &program->flags, error) < 0)
    return -1;
  count = 0;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    if (read_entry(item, &entries[count++], spec, error) < 0)
      return -1;
  }
  struct rules rules = {0};
  int result = add_tables(entries, count, wanted, &filter, arches, &rules, error);
  filter.arches = arches;
  if (result == 0 && seccomp_assemble(&filter, program) < 0)
    result = oci_reject(error, seccomp, "needs a longer program than the kernel takes");
  free(rules.items);
  spec->seccomp = program;
  return result;
}
