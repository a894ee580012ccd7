/* Feeds the JSON parser with good, broken and random input, and config.json's reader with broken configurations, under the sanitizers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "json.h"
#include "json_write.h"
#include "oci_config.h"
#include "stage.h"

#define ROUNDS 60000

static _Noreturn void broken(const char *what, const char *text) {
  fprintf(stderr, "json: %s: %.200s\n", what, text);
  exit(1);
}

/* Parses a copy of exactly the right size, so that the sanitizer sees a read behind its end. */
static int parse(const char *text, size_t size, struct json_document *document, char **copy) {
  *copy = malloc(size + 1);
  if (*copy == NULL)
    abort();
  memcpy(*copy, text, size);
  (*copy)[size] = '\0';
  int result = json_parse(document, *copy, size);
  if ((result < 0) != (document->why != NULL))
    broken("a result without a reason", text);
  return result;
}

static char *written(const struct json *value) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL)
    abort();
  json_write(out, value);
  fclose(out);
  return text;
}

static void expect(const char *text, const char *wanted) {
  struct json_document document;
  char *copy;
  if (parse(text, strlen(text), &document, &copy) < 0) {
    if (wanted != NULL)
      broken("refused", text);
  } else {
    char *again = written(document.root);
    if (wanted == NULL)
      broken("accepted", text);
    if (strcmp(again, wanted) != 0)
      broken(again, text);
    free(again);
  }
  json_free(&document);
  free(copy);
}

static void check_texts(void) {
  static const char *const good[][2] = {
      {" { } ", "{}"},
      {"[1, -0.5e+7 ,\"\"]", "[1,-0.5e+7,\"\"]"},
      {"{\"a\":{\"b\":[true,false,null]}}", "{\"a\":{\"b\":[true,false,null]}}"},
      {"\"\\u00e9\\ud83d\\ude00\\n\\/\"", "\"\xc3\xa9\xf0\x9f\x98\x80\\u000a/\""},
      {"\"\\\"\\\\\"", "\"\\\"\\\\\""},
      {"12", "12"},
      {"[[],[1]]\n", "[[],[1]]"},
  };
  static const char *const bad[] = {
      "",        " ",      "{",          "[1,]",      "{\"a\":1,}", "{a:1}",       "[01]",      "[1.]",  "[+1]", "[.5]", "[1e]",
      "\"\x01\"", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\u0000\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
      "\"\xf5\x80\x80\x80\"", "tru", "nul", "[1 2]", "{\"a\" 1}", "\"abc", "[] []", "-", "'a'", "\xef\xbb\xbf{}",
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    expect(good[i][0], good[i][1]);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    expect(bad[i], NULL);
  char deep[2 * JSON_DEPTH_MAX + 8] = "";
  for (int i = 0; i < JSON_DEPTH_MAX; i++)
    strcat(deep, "[");
  for (int i = 0; i < JSON_DEPTH_MAX; i++)
    strcat(deep, "]");
  expect(deep, deep);
  memmove(deep + 1, deep, strlen(deep) + 1);
  strcat(deep, "]");
  expect(deep, NULL);
}

static const char config[] =
    "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"h\",\"process\":{\"args\":[\"a\"],"
    "\"cwd\":\"/\",\"env\":[\"A=1\"],\"user\":{\"uid\":1,\"gid\":2,\"umask\":63,\"additionalGids\":[3]},\"capabilities\":"
    "{\"bounding\":[\"CAP_CHOWN\"]},\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":1}],\"oomScoreAdj\":1},"
    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\"},{\"destination\":\"/d\",\"source\":\"/s\",\"options\":[\"rbind\","
    "\"rro\",\"rslave\"]},{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"size=1k\",\"mode=755\",\"noatime\"]}],"
    "\"hooks\":{\"prestart\":[{\"path\":\"/h\",\"args\":[\"h\"],\"env\":[\"B=\"],\"timeout\":3}]},\"annotations\":{\"k\":\"v\"},"
    "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"network\",\"path\":\"/n\"},{\"type\":\"time\"}],"
    "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"},\"timeOffsets\":{\"boottime\":{\"secs\":5}},\"cgroupsPath\":\"/c\","
    "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":2}],\"resources\":{\"memory\":{\"limit\":4096,"
    "\"swap\":8192},\"cpu\":{\"shares\":2,\"quota\":1,\"cpus\":\"0\"},\"pids\":{\"limit\":5},\"devices\":[{\"allow\":false}],"
    "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]},\"rootfsPropagation\":\"rslave\",\"maskedPaths\":[\"/m\"],"
    "\"readonlyPaths\":[\"/r\"],\"personality\":{\"domain\":\"LINUX32\"},\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\","
    "\"architectures\":[\"SCMP_ARCH_X86_64\"],\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],\"syscalls\":[{\"names\":[\"read\",\"none\"],"
    "\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_LT\"},{\"index\":1,\"value\":9,"
    "\"op\":\"SCMP_CMP_EQ\"}]}]}}}";

static int read_config(const char *path, const char *text, size_t size, struct error *error) {
  static struct oci_config read;
  FILE *out = fopen(path, "w");
  if (out == NULL || fwrite(text, 1, size, out) != size || fclose(out) != 0)
    broken("cannot write", path);
  *error = (struct error){0};
  int result = oci_config_read(&read, path, "/bundle", error);
  for (int version = CGROUP_V1; result == 0 && version <= CGROUP_V2; version++)
    result = oci_resources(&read, (enum cgroup_version)version, &read.spec, error);
  if ((result < 0) != (error->detail[0] != '\0'))
    broken("a failure without a reason", text);
  oci_config_free(&read);
  return result;
}

static void check_configs(void) {
  char path[] = "/tmp/json-check-XXXXXX", text[sizeof config];
  struct error error;
  unsigned accepted = 0;
  int fd = mkstemp(path);
  if (fd < 0)
    broken("cannot make", path);
  close(fd);
  if (read_config(path, config, strlen(config), &error) < 0)
    broken(error.detail, config);
  for (unsigned round = 0; round < ROUNDS / 10; round++) {
    size_t size = strlen(config);
    memcpy(text, config, size);
    for (uint32_t changes = 1 + draw(3); changes > 0; changes--) {
      size_t at = draw((uint32_t)size), from = draw((uint32_t)size), length = draw(24);
      if (draw(3) == 0)
        text[at] = "\"{}[],:0-ax\\"[draw(12)];
      else if (from + length <= size && at + length <= size)
        memmove(text + at, text + from, length);
    }
    accepted += read_config(path, text, size, &error) == 0;
  }
  unlink(path);
  printf("json: %u configurations, %u of them valid\n", ROUNDS / 10, accepted);
}

static void check_random(void) {
  for (unsigned round = 0; round < ROUNDS; round++) {
    char text[64];
    struct json_document document;
    char *copy;
    const size_t size = draw(sizeof text);
    for (size_t i = 0; i < size; i++)
      text[i] = "\"\\u{}[],:0123456789.eE+-truefalsnl \n\xc3\xa9\xf0\x9f"[draw(40)];
    if (parse(text, size, &document, &copy) == 0) {
      char *once = written(document.root);
      expect(once, once);
      free(once);
    }
    json_free(&document);
    free(copy);
  }
}

int main(void) {
  check_texts();
  check_random();
  check_configs();
  return 0;
}
