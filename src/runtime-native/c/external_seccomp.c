/* The default filter as a config.json has it; see seccomp_default.c for the same as a program. */
#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "external.h"
#include "json_write.h"
#include "seccomp.h"

/* Families of sockets that Linux may have; AF_MAX is below. */
#define FAMILIES 64

static bool is_allowed(const struct seccomp_table *table, uint32_t number) {
  for (size_t i = 0; i < table->allowed_count; i++) {
    if (table->allowed[i] == number)
      return true;
  }
  return false;
}

/* By any of the tables: libseccomp leaves out what an architecture has not. */
static bool is_allowed_anywhere(const char *name) {
  uint32_t number;
  for (size_t i = 0; i < seccomp_table_count; i++) {
    if (seccomp_number(seccomp_tables[i], name, &number) && is_allowed(seccomp_tables[i], number))
      return true;
  }
  return false;
}

/* Each name once, though several tables may have it. */
static bool is_new(size_t table, const char *name) {
  uint32_t number;
  for (size_t i = 0; i < table; i++) {
    if (seccomp_number(seccomp_tables[i], name, &number))
      return false;
  }
  return true;
}

static void write_allowed(FILE *out) {
  bool first = true;
  fputs("{\"names\":[", out);
  for (size_t i = 0; i < seccomp_table_count; i++) {
    const struct seccomp_table *table = seccomp_tables[i];
    for (size_t j = 0; j < table->name_count; j++) {
      if (!is_new(i, table->names[j].name) || !is_allowed_anywhere(table->names[j].name))
        continue;
      fputs(first ? "" : ",", out);
      json_write_string(out, table->names[j].name);
      first = false;
    }
  }
  fputs("],\"action\":\"SCMP_ACT_ALLOW\"}", out);
}

/* Of several rules for a call the first that holds does. */
static void write_equal(FILE *out, const char *name, uint64_t value) {
  fprintf(out,
          ",{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":%" PRIu64
          ",\"op\":\"SCMP_CMP_EQ\"}]}",
          name, value);
}

void external_seccomp_write(FILE *out) {
  static const uint32_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
  fprintf(out, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":%d,\"architectures\":[", EPERM);
  for (size_t i = 0; i < seccomp_table_count; i++)
    fprintf(out, "%s\"%s\"", i == 0 ? "" : ",", seccomp_tables[i]->scmp_name);
  fputs("],\"syscalls\":[", out);
  write_allowed(out);
  /* Families one by one: two conditions on one argument are alternatives for these runtimes, and the kernel looks at 32 bits of 64. */
  for (uint64_t family = 0; family < FAMILIES; family++) {
    if (family != AF_ALG && family != AF_VSOCK)
      write_equal(out, "socket", family);
  }
  for (size_t i = 0; i < sizeof personalities / sizeof personalities[0]; i++)
    write_equal(out, "personality", personalities[i]);
  fprintf(out,
          ",{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":%u,\"valueTwo\":0,"
          "\"op\":\"SCMP_CMP_MASKED_EQ\"}]}"
          ",{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":%d}]}",
          0x7e020000u, ENOSYS);
}
