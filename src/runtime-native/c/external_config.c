/* config.json of a container's description; see external.h. oci_config.c reads the same. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "command.h"
#include "external.h"
#include "io.h"
#include "json_write.h"
#include "oci_config.h"
#include "stage.h"
#include "syscalls.h"

#define COUNT(array) (sizeof array / sizeof array[0])
/* The oldest that has all that is written here but members that such a runtime passes over. */
#define CONFIG_VERSION "1.0.2"

static void write_list(FILE *out, const char *name, const char *const *items) {
  fprintf(out, "\"%s\":[", name);
  for (size_t i = 0; items[i] != NULL; i++) {
    fputs(i == 0 ? "" : ",", out);
    json_write_string(out, items[i]);
  }
  fputc(']', out);
}

static void write_capabilities(FILE *out, const struct external_bundle *bundle) {
  const struct capability_sets *asked = &bundle->init->spec->capabilities;
  const bool keep = bundle->identity.uid == 0 || !asked->only_root;
  const struct {
    const char *name;
    uint64_t set;
  } sets[] = {{"bounding", asked->bounding},
              {"permitted", keep ? asked->permitted : 0},
              {"effective", keep ? asked->effective : 0},
              {"inheritable", asked->inheritable},
              {"ambient", keep ? asked->ambient : 0}};
  fputs("\"capabilities\":{", out);
  for (size_t i = 0; i < COUNT(sets); i++) {
    bool first = true;
    fprintf(out, "%s\"%s\":[", i == 0 ? "" : ",", sets[i].name);
    /* Only what this process may have itself: runtimes refuse others. */
    for (int number = 0, held; (held = prctl(PR_CAPBSET_READ, number, 0, 0, 0)) >= 0; number++) {
      const char *word = held == 0 ? NULL : oci_capability_word(number);
      if (word == NULL || (sets[i].set & UINT64_C(1) << number) == 0)
        continue;
      fprintf(out, "%s\"CAP_%s\"", first ? "" : ",", word);
      first = false;
    }
    fputc(']', out);
  }
  fputs("},", out);
}

static void write_rlimit(FILE *out, bool first, int resource, uint64_t soft, uint64_t hard) {
  fprintf(out, "%s{\"type\":\"RLIMIT_%s\",\"soft\":%" PRIu64 ",\"hard\":%" PRIu64 "}", first ? "" : ",",
          oci_rlimit_word(resource), soft, hard);
}

/* With the limit on open files: these runtimes raise their own. */
static void write_rlimits(FILE *out, const struct init *init) {
  bool has_files = false;
  struct rlimit files;
  fputs("\"rlimits\":[", out);
  for (size_t i = 0; i < init->spec->rlimit_count; i++) {
    const struct rlimit_spec *limit = &init->spec->rlimits[i];
    write_rlimit(out, i == 0, limit->resource, limit->soft, limit->hard);
    has_files = has_files || limit->resource == RLIMIT_NOFILE;
  }
  if (!has_files && getrlimit(RLIMIT_NOFILE, &files) == 0)
    write_rlimit(out, init->spec->rlimit_count == 0, RLIMIT_NOFILE,
                 init->open_files < files.rlim_cur ? init->open_files : files.rlim_cur, files.rlim_max);
  fputs("],", out);
}

/* As init.c has it: without a wish, at least not as protected as the caller. */
static void write_oom_score(FILE *out, const struct external_bundle *bundle) {
  const struct container_spec *spec = bundle->init->spec;
  char text[16] = "";
  cleanup_fd int fd = openat(bundle->proc, "self/oom_score_adj", O_RDONLY | O_CLOEXEC);
  if (spec->has_oom_score)
    fprintf(out, "\"oomScoreAdj\":%d,", spec->oom_score);
  else if (fd >= 0 && read_all(fd, text, sizeof text - 1) > 0 && text[0] == '-')
    fputs("\"oomScoreAdj\":0,", out);
}

static int write_process(FILE *out, const struct external_bundle *bundle, struct error *error) {
  const struct init *init = bundle->init;
  const struct container_spec *spec = init->spec;
  const struct identity *identity = &bundle->identity;
  char **environment = command_environment(spec, identity->home, error);
  if (environment == NULL)
    return -1;
  fprintf(out, "\"process\":{\"terminal\":%s,", spec->terminal ? "true" : "false");
  if (spec->terminal && init->terminal_size.ws_row != 0)
    fprintf(out, "\"consoleSize\":{\"height\":%u,\"width\":%u},", init->terminal_size.ws_row,
            init->terminal_size.ws_col);
  fprintf(out, "\"user\":{\"uid\":%u,\"gid\":%u,\"umask\":%u,\"additionalGids\":[", identity->uid, identity->gid,
          (unsigned)spec->umask);
  for (size_t i = 0; i < identity->group_count; i++)
    fprintf(out, "%s%u", i == 0 ? "" : ",", identity->groups[i]);
  fputs("]},", out);
  write_list(out, "args", spec->args.items);
  fputc(',', out);
  write_list(out, "env", (const char *const *)(const void *)environment);
  fputs(",\"cwd\":", out);
  json_write_string(out, bundle->cwd);
  fputc(',', out);
  write_capabilities(out, bundle);
  write_rlimits(out, init);
  write_oom_score(out, bundle);
  fprintf(out, "\"noNewPrivileges\":%s},", spec->no_new_privileges ? "true" : "false");
  return 0;
}

static void write_flags(FILE *out, const struct mount_flags *flags) {
  static const struct {
    uint64_t flag;
    const char *word;
  } words[] = {{MOUNT_ATTR_RDONLY, "ro"},   {MOUNT_ATTR_NOSUID, "nosuid"},           {MOUNT_ATTR_NODEV, "nodev"},
               {MOUNT_ATTR_NOEXEC, "noexec"}, {MOUNT_ATTR_STRICTATIME, "strictatime"}};
  for (size_t i = 0; i < COUNT(words); i++) {
    if (flags->set & words[i].flag)
      fprintf(out, ",\"%s\"", words[i].word);
  }
}

static void write_mount(FILE *out, const struct external_bundle *bundle, size_t index) {
  const struct mount_spec *mount = &bundle->init->spec->mounts[index];
  const bool is_new = mount->kind == MOUNT_FS && mount->is_system;
  fputs("{\"destination\":", out);
  json_write_string(out, mount->target);
  if (mount->kind == MOUNT_CGROUP && bundle->init->cgroup->version == CGROUP_V2) {
    fputs(",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"rprivate\"", out);
  } else if (is_new) {
    fputs(",\"type\":", out);
    json_write_string(out, mount->type);
    fputs(",\"source\":", out);
    json_write_string(out, mount->source);
    fputs(",\"options\":[\"rprivate\"", out);
  } else if (mount->kind == MOUNT_CGROUP) {
    fputs(",\"type\":\"bind\",\"source\":\"" EXTERNAL_CGROUP "\",\"options\":[\"rbind\",\"rprivate\"", out);
  } else {
    fprintf(out, ",\"type\":\"bind\",\"source\":\"" EXTERNAL_MOUNTS "/%zu\",\"options\":[\"rbind\",\"rprivate\"", index);
  }
  write_flags(out, &mount->flags);
  for (size_t i = 0; is_new && i < mount->option_count; i++)
    fprintf(out, mount->options[i].value == NULL ? ",\"%s\"" : ",\"%s=%s\"", mount->options[i].name,
            mount->options[i].value);
  fputs("]}", out);
}

static void write_mounts(FILE *out, const struct external_bundle *bundle) {
  bool first = true;
  fputs("\"mounts\":[", out);
  for (size_t i = 0; i < bundle->init->spec->mount_count; i++) {
    if (!bundle->is_passed[i])
      continue;
    fputs(first ? "" : ",", out);
    write_mount(out, bundle, i);
    first = false;
  }
  fputs("],", out);
}

static void write_namespaces(FILE *out, const struct init *init) {
  static const struct {
    uint64_t flag;
    const char *name;
  } names[] = {{CLONE_NEWNS, "mount"},
               {CLONE_NEWPID, "pid"},
               {CLONE_NEWUTS, "uts"},
               {CLONE_NEWIPC, "ipc"},
               {CLONE_NEWCGROUP, "cgroup"}};
  fputs("\"namespaces\":[", out);
  for (size_t i = 0, count = 0; i < COUNT(names); i++) {
    if (init->spec->namespaces & names[i].flag)
      fprintf(out, "%s{\"type\":\"%s\"}", count++ == 0 ? "" : ",", names[i].name);
  }
  /* The one of the pool, which this process has entered; the first of its pid namespace. */
  if (init->network >= 0)
    fputs(",{\"type\":\"network\",\"path\":\"/proc/1/ns/net\"}", out);
  fputs("],", out);
}

/* Those that every runtime makes itself are left to it: config-linux.md, default devices. */
static bool is_default(const struct device_spec *device) {
  static const char *const paths[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
  for (size_t i = 0; i < COUNT(paths); i++) {
    if (strcmp(device->path, paths[i]) == 0)
      return true;
  }
  return false;
}

static void write_devices(FILE *out, const struct container_spec *spec) {
  bool first = true;
  fputs("\"devices\":[", out);
  for (size_t i = 0; i < spec->device_count; i++) {
    const struct device_spec *device = &spec->devices[i];
    if (is_default(device))
      continue;
    fprintf(out, "%s{\"path\":", first ? "" : ",");
    json_write_string(out, device->path);
    fprintf(out, ",\"type\":\"%c\",\"major\":%u,\"minor\":%u,\"fileMode\":%u,\"uid\":%u,\"gid\":%u}",
            S_ISBLK(device->mode) ? 'b' : 'c', device->major, device->minor, device->mode & 07777u, device->uid,
            device->gid);
    first = false;
  }
  fputs("]", out);
}

static void write_linux(FILE *out, const struct init *init) {
  static const char *const none[] = {NULL};
  const struct container_spec *spec = init->spec;
  fputs("\"linux\":{", out);
  write_namespaces(out, init);
  write_list(out, "maskedPaths", spec->masked_paths.items == NULL ? none : spec->masked_paths.items);
  fputc(',', out);
  write_list(out, "readonlyPaths", spec->readonly_paths.items == NULL ? none : spec->readonly_paths.items);
  fputc(',', out);
  write_devices(out, spec);
  /* It is the default one whenever there is one: spec.c has no other. */
  if (spec->seccomp != NULL) {
    fputs(",\"seccomp\":", out);
    external_seccomp_write(out);
  }
  fputs("}}", out);
}

int external_config_write(const struct external_bundle *bundle, struct error *error) {
  const struct container_spec *spec = bundle->init->spec;
  cleanup_free char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL)
    return fail(error, STAGE_RUNTIME, errno, "config.json");
  fprintf(out, "{\"ociVersion\":\"" CONFIG_VERSION "\",\"root\":{\"path\":\"rootfs\",\"readonly\":%s},\"hostname\":",
          spec->readonly_rootfs ? "true" : "false");
  json_write_string(out, spec->hostname);
  fputc(',', out);
  const int result = write_process(out, bundle, error);
  write_mounts(out, bundle);
  write_linux(out, bundle->init);
  if (fclose(out) != 0)
    return fail(error, STAGE_RUNTIME, errno, "config.json");
  if (result < 0)
    return -1;
  cleanup_fd int fd = open(EXTERNAL_BUNDLE "/config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || write_all(fd, text, size) < 0)
    return fail(error, STAGE_RUNTIME, errno, "config.json");
  return 0;
}
