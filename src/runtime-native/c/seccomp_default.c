/* The filter of tsbuild's own containers: Docker's. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "seccomp.h"

#define COUNT(array) (sizeof array / sizeof array[0])

extern const struct seccomp_table seccomp_table_native;
#if defined(__x86_64__)
extern const struct seccomp_table seccomp_table_x32;
extern const struct seccomp_table seccomp_table_i386;
#endif

const struct seccomp_table *const seccomp_tables[] = {
    &seccomp_table_native,
#if defined(__x86_64__)
    &seccomp_table_x32,
    &seccomp_table_i386,
#endif
};
const size_t seccomp_table_count = COUNT(seccomp_tables);

static int compare_names(const void *key, const void *item) {
  return strcmp(key, ((const struct seccomp_name *)item)->name);
}

bool seccomp_number(const struct seccomp_table *table, const char *name, uint32_t *number) {
  const struct seccomp_name *found =
      bsearch(name, table->names, table->name_count, sizeof table->names[0], compare_names);
  if (found != NULL)
    *number = found->number;
  return found != NULL;
}

/*
 * Any family but AF_ALG (38), a way to the kernel's crypto code, and AF_VSOCK (40), one to the hypervisor. The kernel
 * looks at 32 bits only, so the others must be zero.
 */
static const struct seccomp_argument socket_family[] = {{0, SECCOMP_MASKED_EQ, 0, UINT64_C(0xffffffff00000000)},
                                                        {0, SECCOMP_NE, 38, 0},
                                                        {0, SECCOMP_NE, 40, 0}};

/* PER_LINUX, PER_LINUX32, either with UNAME26, and the question for the current one. */
static const struct seccomp_argument personalities[] = {{0, SECCOMP_EQ, 0, 0},
                                                        {0, SECCOMP_EQ, 8, 0},
                                                        {0, SECCOMP_EQ, 0x20000, 0},
                                                        {0, SECCOMP_EQ, 0x20008, 0},
                                                        {0, SECCOMP_EQ, 0xffffffff, 0}};

/* No new namespace. */
static const struct seccomp_argument clone_flags[] = {{0, SECCOMP_MASKED_EQ, 0, 0x7e020000}};

#define RULES_PER_TABLE (3 + COUNT(personalities))

static size_t add_special(const struct seccomp_table *table, struct seccomp_rule *rules) {
  size_t count = 0;
  rules[count++] = (struct seccomp_rule){table->special[SPECIAL_SOCKET], SECCOMP_RET_ALLOW, socket_family,
                                         COUNT(socket_family)};
  for (size_t i = 0; i < COUNT(personalities); i++)
    rules[count++] =
        (struct seccomp_rule){table->special[SPECIAL_PERSONALITY], SECCOMP_RET_ALLOW, &personalities[i], 1};
  rules[count++] =
      (struct seccomp_rule){table->special[SPECIAL_CLONE], SECCOMP_RET_ALLOW, clone_flags, COUNT(clone_flags)};
  /* Its flags are in memory, out of the filter's reach; this makes C libraries fall back to clone. */
  rules[count++] = (struct seccomp_rule){table->special[SPECIAL_CLONE3], SECCOMP_RET_ERRNO | ENOSYS, NULL, 0};
  return count;
}

static int assemble(struct seccomp_program *program) {
  struct seccomp_arch arches[COUNT(seccomp_tables)] = {0};
  size_t capacity = 0, used = 0, arch_count = 0;
  for (size_t i = 0; i < COUNT(seccomp_tables); i++)
    capacity += seccomp_tables[i]->allowed_count + RULES_PER_TABLE;
  cleanup_free struct seccomp_rule *rules = calloc(capacity, sizeof *rules);
  if (rules == NULL)
    return -1;
  for (size_t i = 0; i < COUNT(seccomp_tables); i++) {
    const struct seccomp_table *table = seccomp_tables[i];
    if (arch_count == 0 || arches[arch_count - 1].arch != table->arch)
      arches[arch_count++] = (struct seccomp_arch){.arch = table->arch, .rules = rules + used};
    const size_t before = used;
    for (size_t call = 0; call < table->allowed_count; call++)
      rules[used++] = (struct seccomp_rule){table->allowed[call], SECCOMP_RET_ALLOW, NULL, 0};
    used += add_special(table, rules + used);
    arches[arch_count - 1].rule_count += used - before;
  }
  const uint32_t deny = SECCOMP_RET_ERRNO | EPERM;
  const struct seccomp_filter filter = {arches, arch_count, deny, deny};
  return seccomp_assemble(&filter, program);
}

const struct seccomp_program *seccomp_default(void) {
  static struct seccomp_program program;
  if (program.count == 0 && assemble(&program) < 0)
    program.count = 0;
  return program.count == 0 ? NULL : &program;
}
