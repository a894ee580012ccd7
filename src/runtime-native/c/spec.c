#include "spec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "profile.h"
#include "spec_network.h"
#include "spec_values.h"
#include "stage.h"
#include "syscalls.h"

/* The profile adds mounts of its own. */
#define USER_MOUNTS_MAX (SPEC_MOUNTS_MAX - 16)

static int start_mount(struct parser *parser) {
  static const char *const names[] = {[MOUNT_BIND] = "bind", [MOUNT_OVERLAY] = "overlay", [MOUNT_FS] = "tmpfs"};
  const char *value = NULL;
  if (spec_read_string(parser, &value) < 0)
    return -1;
  for (size_t kind = 0; kind < sizeof names / sizeof names[0]; kind++) {
    if (strcmp(value, names[kind]) != 0)
      continue;
    struct container_spec *spec = parser->spec;
    if (spec->mount_count >= USER_MOUNTS_MAX)
      return spec_reject(parser, "appears too often");
    if (spec->mounts == NULL) {
      spec->mounts = spec_allocate(spec, SPEC_MOUNTS_MAX * sizeof *spec->mounts);
      if (spec->mounts == NULL)
        return spec_reject(parser, "does not fit into memory");
    }
    struct mount_spec *mount = &spec->mounts[spec->mount_count++];
    *mount = (struct mount_spec){.kind = (enum mount_kind)kind};
    if (mount->kind == MOUNT_FS) {
      /* Programs may run from it, as in BuildKit: it often is the /tmp of a build. */
      mount->type = mount->source = "tmpfs";
      mount->flags.set = MOUNT_ATTR_NOSUID;
      mount->options[mount->option_count++] = (struct fs_option){"mode", "1777"};
      mount->takes_mode = true;
    }
    return 0;
  }
  return spec_reject(parser, "is not a known kind of mount");
}

static int start_rlimit(struct parser *parser) {
  static const struct {
    const char *name;
    int resource;
  } resources[] = {
      {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
      {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
      {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
      {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
      {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
      {"stack", RLIMIT_STACK},
  };
  const char *value = NULL;
  if (spec_read_string(parser, &value) < 0)
    return -1;
  for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
    if (strcmp(value, resources[i].name) != 0)
      continue;
    if (parser->spec->rlimit_count >= SPEC_RLIMITS_MAX)
      return spec_reject(parser, "appears too often");
    /* Both limits must follow; until then the pair cannot be valid. */
    parser->spec->rlimits[parser->spec->rlimit_count++] =
        (struct rlimit_spec){.resource = resources[i].resource, .soft = 1, .hard = 0};
    return 0;
  }
  return spec_reject(parser, "is not a known resource");
}

static int read_mount_field(struct parser *parser, const char *field) {
  if (parser->spec->mount_count == 0)
    return spec_reject(parser, "comes before any mount");
  struct mount_spec *mount = &parser->spec->mounts[parser->spec->mount_count - 1];
  if (strcmp(field, "target") == 0)
    return spec_read_path(parser, &mount->target);
  if (strcmp(field, "readonly") == 0) {
    bool readonly;
    if (spec_read_bool(parser, &readonly) < 0)
      return -1;
    mount->flags.set |= readonly ? MOUNT_ATTR_RDONLY : 0;
    return 0;
  }
  if (mount->kind == MOUNT_BIND) {
    if (strcmp(field, "source") == 0)
      return spec_read_path(parser, &mount->source);
    if (strcmp(field, "recursive") == 0)
      return spec_read_bool(parser, &mount->recursive);
  }
  if (mount->kind == MOUNT_OVERLAY) {
    if (strcmp(field, "lower") == 0)
      return spec_append_path(parser, &mount->overlay.lower, SPEC_LOWER_MAX);
    if (strcmp(field, "upper") == 0)
      return spec_read_path(parser, &mount->overlay.upper);
    if (strcmp(field, "work") == 0)
      return spec_read_path(parser, &mount->overlay.work);
    if (strcmp(field, "subpath") == 0)
      return spec_read_path(parser, &mount->subpath);
  }
  if (mount->kind == MOUNT_FS) {
    uint64_t number;
    if (strcmp(field, "size") == 0) {
      if (spec_read_number(parser, INT64_MAX, &number) < 0)
        return -1;
      if (mount->option_count >= 2)
        return spec_reject(parser, "appears twice");
      mount->options[mount->option_count++] =
          (struct fs_option){"size", spec_format(parser->spec, "%llu", (unsigned long long)number)};
      return 0;
    }
    if (strcmp(field, "mode") == 0) {
      if (spec_read_number(parser, 07777, &number) < 0)
        return -1;
      mount->options[0].value = spec_format(parser->spec, "%o", (unsigned)number);
      mount->takes_mode = false;
      return 0;
    }
  }
  return spec_reject(parser, "is not known for this kind of mount");
}

static int read_rlimit_field(struct parser *parser, const char *field) {
  if (parser->spec->rlimit_count == 0)
    return spec_reject(parser, "comes before any limit");
  struct rlimit_spec *limit = &parser->spec->rlimits[parser->spec->rlimit_count - 1];
  if (strcmp(field, "soft") == 0)
    return spec_read_limit(parser, &limit->soft);
  if (strcmp(field, "hard") == 0)
    return spec_read_limit(parser, &limit->hard);
  return spec_reject(parser, "is not known");
}

/* The keys that come once. */
enum single {
  KEY_ID,
  KEY_DIRECTORY,
  KEY_UPPER,
  KEY_WORK,
  KEY_VOLATILE,
  KEY_READONLY,
  KEY_CWD,
  KEY_CWD_OWNER,
  KEY_USER,
  KEY_HOSTNAME,
  KEY_NETWORK,
  KEY_NETWORK_ROLE,
  KEY_NETWORK_BRIDGE,
  KEY_NETWORK_PROCESS,
  KEY_HOSTS,
  KEY_HOSTS_NAME,
  KEY_RESOLV_CONF,
  KEY_ETC_HOSTNAME,
  KEY_ETC_READONLY,
  KEY_SHM_SIZE,
  KEY_NO_NEW_PRIVILEGES,
  KEY_INSECURE,
  KEY_TERMINAL,
  KEY_STDIN,
  KEY_INIT,
  KEY_REMOVE_STUBS,
  KEY_OOM_SCORE,
  KEY_RUNTIME,
  KEY_COUNT,
};

static const struct {
  const char *name;
  bool required;
} singles[KEY_COUNT] = {
    [KEY_ID] = {"id", true},
    [KEY_DIRECTORY] = {"rootfs.directory", false},
    [KEY_UPPER] = {"rootfs.upper", false},
    [KEY_WORK] = {"rootfs.work", false},
    [KEY_VOLATILE] = {"rootfs.volatile", false},
    [KEY_READONLY] = {"rootfs.readonly", true},
    [KEY_CWD] = {"cwd", true},
    [KEY_CWD_OWNER] = {"cwd.owner", true},
    [KEY_USER] = {"user", true},
    [KEY_HOSTNAME] = {"hostname", true},
    [KEY_NETWORK] = {"network", true},
    [KEY_NETWORK_ROLE] = {"network.role", false},
    [KEY_NETWORK_BRIDGE] = {"network.bridge", false},
    [KEY_NETWORK_PROCESS] = {"network.process", false},
    [KEY_HOSTS] = {"etc.hosts", false},
    [KEY_HOSTS_NAME] = {"etc.hosts.name", false},
    [KEY_RESOLV_CONF] = {"etc.resolv.conf", false},
    [KEY_ETC_HOSTNAME] = {"etc.hostname", false},
    [KEY_ETC_READONLY] = {"etc.readonly", true},
    [KEY_SHM_SIZE] = {"shm.size", true},
    [KEY_NO_NEW_PRIVILEGES] = {"no-new-privileges", true},
    [KEY_INSECURE] = {"insecure", true},
    [KEY_TERMINAL] = {"terminal", true},
    [KEY_STDIN] = {"stdin", true},
    [KEY_INIT] = {"init", false},
    [KEY_REMOVE_STUBS] = {"remove-stubs", true},
    [KEY_OOM_SCORE] = {"oom-score-adj", false},
    [KEY_RUNTIME] = {"runtime", false},
};

static int read_single(struct parser *parser, enum single key) {
  struct container_spec *spec = parser->spec;
  struct profile *profile = &parser->profile;
  switch (key) {
  case KEY_ID:
    return spec_read_id(parser, &spec->id);
  case KEY_DIRECTORY:
    return spec_read_path(parser, &spec->rootfs_directory);
  case KEY_UPPER:
    return spec_read_path(parser, &spec->rootfs.upper);
  case KEY_WORK:
    return spec_read_path(parser, &spec->rootfs.work);
  case KEY_VOLATILE:
    return spec_read_bool(parser, &spec->rootfs.is_volatile);
  case KEY_READONLY:
    return spec_read_bool(parser, &spec->readonly_rootfs);
  case KEY_CWD:
    return spec_read_path(parser, &spec->cwd);
  case KEY_CWD_OWNER:
    return spec_read_choice(parser, "root", "user", &spec->cwd_owned_by_user);
  case KEY_USER:
    return spec_read_string(parser, &spec->user);
  case KEY_HOSTNAME:
    return parser->record->value_size > 64 ? spec_reject(parser, "is longer than 64 bytes")
                                           : spec_read_string(parser, &spec->hostname);
  case KEY_NETWORK:
    return spec_read_network(parser, &spec->network.kind);
  case KEY_NETWORK_ROLE:
    return spec_read_network_role(parser, &spec->network.role);
  case KEY_NETWORK_BRIDGE:
    return spec_read_bridge(parser, &spec->network.bridge);
  case KEY_NETWORK_PROCESS:
    return spec_read_network_process(parser, &spec->network);
  case KEY_HOSTS:
    return spec_read_path(parser, &profile->etc_hosts);
  case KEY_HOSTS_NAME:
    return spec_read_string(parser, &spec->network.hosts_name);
  case KEY_RESOLV_CONF:
    return spec_read_path(parser, &profile->etc_resolv_conf);
  case KEY_ETC_HOSTNAME:
    return spec_read_path(parser, &profile->etc_hostname);
  case KEY_ETC_READONLY:
    return spec_read_bool(parser, &profile->etc_readonly);
  case KEY_SHM_SIZE:
    return spec_read_number(parser, INT64_MAX, &profile->shm_size_bytes);
  case KEY_NO_NEW_PRIVILEGES:
    return spec_read_bool(parser, &spec->no_new_privileges);
  case KEY_INSECURE:
    return spec_read_bool(parser, &profile->insecure);
  case KEY_TERMINAL:
    return spec_read_bool(parser, &spec->terminal);
  case KEY_STDIN:
    return spec_read_choice(parser, "empty", "open", &spec->open_stdin);
  case KEY_INIT:
    return spec_read_bool(parser, &spec->has_init);
  case KEY_REMOVE_STUBS:
    return spec_read_bool(parser, &spec->remove_stubs);
  case KEY_OOM_SCORE:
    spec->has_oom_score = true;
    return spec_read_signed(parser, -1000, 1000, &spec->oom_score);
  case KEY_RUNTIME:
    return spec_read_path(parser, &spec->runtime.path);
  case KEY_COUNT:
    break;
  }
  return spec_reject(parser, "is not a known key");
}

static int read_record(struct parser *parser) {
  const struct record *record = parser->record;
  char key[32];
  if (record->key_size >= sizeof key)
    return spec_reject(parser, "is not a known key");
  memcpy(key, record->key, record->key_size);
  key[record->key_size] = '\0';
  if (strlen(key) != record->key_size)
    return spec_reject(parser, "is not a known key");

  struct container_spec *spec = parser->spec;
  for (int i = 0; i < KEY_COUNT; i++) {
    if (strcmp(key, singles[i].name) != 0)
      continue;
    if (parser->seen & (UINT64_C(1) << i))
      return spec_reject(parser, "appears twice");
    parser->seen |= UINT64_C(1) << i;
    return read_single(parser, (enum single)i);
  }
  if (strcmp(key, "rootfs.lower") == 0)
    return spec_append_path(parser, &spec->rootfs.lower, SPEC_LOWER_MAX);
  if (strcmp(key, "arg") == 0)
    return spec_append(parser, &spec->args, SPEC_STRINGS_MAX);
  if (strcmp(key, "env") == 0) {
    if (record->value[0] == '=' || strchr(record->value, '=') == NULL)
      return spec_reject(parser, "is not NAME=value");
    return spec_append(parser, &spec->env, SPEC_STRINGS_MAX);
  }
  if (strcmp(key, "runtime.flag") == 0)
    return spec_append(parser, &spec->runtime.flags, SPEC_RUNTIME_FLAGS_MAX);
  if (strcmp(key, "mount") == 0)
    return start_mount(parser);
  if (strncmp(key, "mount.", 6) == 0)
    return read_mount_field(parser, key + 6);
  if (strcmp(key, "rlimit") == 0)
    return start_rlimit(parser);
  if (strncmp(key, "rlimit.", 7) == 0)
    return read_rlimit_field(parser, key + 7);
  if (strcmp(key, "network.port") == 0)
    return spec_append_port(parser, &spec->network);
  if (strncmp(key, "resource.", 9) == 0)
    return cgroup_resources_read(parser, &spec->resources, key + 9);
  if (strcmp(key, "end") == 0) {
    parser->ended = true;
    return record->value_size == 0 ? 0 : spec_reject(parser, "has a value");
  }
  return spec_reject(parser, "is not a known key");
}

static int check_overlay(struct error *error, const char *what, const struct overlay_spec *overlay) {
  if ((overlay->upper == NULL) != (overlay->work == NULL))
    return fail(error, STAGE_SPEC, 0, "%s: upper and work go together", what);
  return 0;
}

/* The rules that involve several keys. */
static int check_whole(struct container_spec *spec, uint64_t seen, struct error *error) {
  for (int i = 0; i < KEY_COUNT; i++) {
    if (singles[i].required && (seen & (UINT64_C(1) << i)) == 0)
      return fail(error, STAGE_SPEC, 0, "%s: is missing", singles[i].name);
  }
  if (spec->args.count == 0)
    return fail(error, STAGE_SPEC, 0, "arg: is missing");
  if (check_overlay(error, "rootfs", &spec->rootfs) < 0)
    return -1;
  bool overlay = spec->rootfs.upper != NULL;
  if (overlay == (spec->rootfs_directory != NULL) || (!overlay && spec->rootfs.lower.count > 0))
    return fail(error, STAGE_SPEC, 0, "rootfs: wants either a directory or an overlay");
  if (spec->runtime.path != NULL && spec->has_init)
    return fail(error, STAGE_SPEC, 0, "init: is not for another runtime");
  if (spec_check_network(&spec->network, error) < 0)
    return -1;
  for (size_t i = 0; i < spec->mount_count; i++) {
    struct mount_spec *mount = &spec->mounts[i];
    if (mount->target == NULL)
      return fail(error, STAGE_SPEC, 0, "mount.target: is missing");
    if (mount->kind == MOUNT_BIND && mount->source == NULL)
      return fail(error, STAGE_SPEC, 0, "mount.source: is missing");
    if (check_overlay(error, "mount", &mount->overlay) < 0)
      return -1;
    if (mount->kind == MOUNT_BIND && mount->recursive)
      mount->flags_below = mount->flags;
  }
  for (size_t i = 0; i < spec->rlimit_count; i++) {
    if (spec->rlimits[i].soft > spec->rlimits[i].hard)
      return fail(error, STAGE_SPEC, 0, "rlimit: the soft limit exceeds the hard one");
  }
  return 0;
}

static size_t little_endian(const uint8_t *bytes, size_t size) {
  size_t number = 0;
  while (size-- > 0)
    number = number << 8 | bytes[size];
  return number;
}

int spec_parse(const uint8_t *data, size_t size, struct container_spec *spec, struct error *error) {
  const size_t magic = sizeof SPEC_MAGIC - 1;
  if (size > SPEC_SIZE_MAX)
    return fail(error, STAGE_SPEC, 0, "The description is too long");
  if (size < magic || memcmp(data, SPEC_MAGIC, magic) != 0)
    return fail(error, STAGE_SPEC, 0, "The description is of another version");

  struct parser parser = {.spec = spec, .error = error};
  size_t at = magic;
  while (!parser.ended) {
    if (size - at < 6)
      return fail(error, STAGE_SPEC, 0, "The description stops early");
    struct record record = {.key_size = little_endian(data + at, 2), .value_size = little_endian(data + at + 2, 4)};
    at += 6;
    /* A NUL follows each value, so that it is a string in place. */
    if (size - at < record.key_size || size - at - record.key_size <= record.value_size)
      return fail(error, STAGE_SPEC, 0, "The description stops early");
    record.key = (const char *)data + at;
    record.value = (const char *)data + at + record.key_size;
    if (record.value[record.value_size] != '\0')
      return fail(error, STAGE_SPEC, 0, "The description has a value without an end");
    at += record.key_size + record.value_size + 1;
    parser.record = &record;
    if (read_record(&parser) < 0)
      return -1;
  }
  if (at != size)
    return fail(error, STAGE_SPEC, 0, "The description goes on after its end");
  spec->network.hosts_file = parser.profile.etc_hosts;
  if (check_whole(spec, parser.seen, error) < 0 || cgroup_resources_check(&spec->resources, error) < 0)
    return -1;
  return profile_fill(&parser.profile, spec, error);
}
