/* mounts of a config.json; see oci_config.h. */
#include <stdlib.h>
#include <string.h>

#include "oci_config.h"
#include "oci_read.h"
#include "syscalls.h"

unsigned long oci_propagation(const char *word) {
  static const struct {
    const char *word;
    unsigned long value;
  } words[] = {{"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
               {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
               {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
               {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC}};
  for (size_t i = 0; i < OCI_COUNT(words); i++) {
    if (strcmp(word, words[i].word) == 0)
      return words[i].value;
  }
  return 0;
}

#define ATIME MOUNT_ATTR__ATIME
/* The flags of mount(8); with an `r` before it, one is for all that is mounted below, too. */
static const struct {
  const char *word;
  struct mount_flags flags;
} flag_words[] = {
    {"ro", {MOUNT_ATTR_RDONLY, 0}},
    {"rw", {0, MOUNT_ATTR_RDONLY}},
    {"nosuid", {MOUNT_ATTR_NOSUID, 0}},
    {"suid", {0, MOUNT_ATTR_NOSUID}},
    {"nodev", {MOUNT_ATTR_NODEV, 0}},
    {"dev", {0, MOUNT_ATTR_NODEV}},
    {"noexec", {MOUNT_ATTR_NOEXEC, 0}},
    {"exec", {0, MOUNT_ATTR_NOEXEC}},
    {"noatime", {MOUNT_ATTR_NOATIME, ATIME}},
    {"atime", {0, ATIME}},
    {"relatime", {0, ATIME}},
    {"norelatime", {MOUNT_ATTR_STRICTATIME, ATIME}},
    {"strictatime", {MOUNT_ATTR_STRICTATIME, ATIME}},
    {"nostrictatime", {0, ATIME}},
    {"nodiratime", {MOUNT_ATTR_NODIRATIME, 0}},
    {"diratime", {0, MOUNT_ATTR_NODIRATIME}},
    {"nosymfollow", {MOUNT_ATTR_NOSYMFOLLOW, 0}},
    {"symfollow", {0, MOUNT_ATTR_NOSYMFOLLOW}},
};

static const struct mount_flags *find_flags(const char *word) {
  for (size_t i = 0; i < OCI_COUNT(flag_words); i++) {
    if (strcmp(word, flag_words[i].word) == 0)
      return &flag_words[i].flags;
  }
  return NULL;
}

/* The later of two contrary words counts. */
static void add_flags(struct mount_flags *all, const struct mount_flags *more) {
  all->set = (all->set & ~more->clear) | more->set;
  all->clear = (all->clear & ~more->set) | more->clear;
}

static const char *const nothing_words[] = {"defaults", "", "async", "auto", "noauto", "nofail", "bind", "rbind"};
/* What would need more than a mount: the directory's content, or ids of another user namespace. */
static const char *const refused_words[] = {"tmpcopyup", "idmap", "ridmap", "copy-symlink", "remount", "dest-nofollow",
                                            "src-nofollow"};

static bool is_among(const char *word, const char *const *words, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(word, words[i]) == 0)
      return true;
  }
  return false;
}

static int read_option(const struct json *item, struct mount_spec *mount, struct container_spec *spec,
                       struct error *error) {
  const char *word = oci_item(item, error);
  const struct mount_flags *flags;
  if (word == NULL)
    return -1;
  if (is_among(word, nothing_words, OCI_COUNT(nothing_words)))
    return 0;
  if (is_among(word, refused_words, OCI_COUNT(refused_words)))
    return oci_reject(error, item, "\"%s\" is not supported", word);
  if (oci_propagation(word) != 0) {
    mount->propagation = oci_propagation(word);
    return 0;
  }
  if ((flags = find_flags(word)) != NULL) {
    add_flags(&mount->flags, flags);
    return 0;
  }
  if (word[0] == 'r' && (flags = find_flags(word + 1)) != NULL) {
    add_flags(&mount->flags, flags);
    add_flags(&mount->flags_below, flags);
    return 0;
  }
  if (mount->kind != MOUNT_FS)
    return oci_reject(error, item, "\"%s\" is not an option of this kind of mount", word);
  /* An option of the file system itself. */
  if (mount->option_count + 1 >= FS_OPTIONS_MAX)
    return oci_reject(error, item, "is one option too many");
  const char *equals = strchr(word, '=');
  const char *name = equals == NULL ? word : spec_format(spec, "%.*s", (int)(equals - word), word);
  if (name == NULL)
    return oci_reject(error, item, "does not fit into memory");
  mount->takes_mode = mount->takes_mode && strcmp(name, "mode") != 0;
  mount->options[mount->option_count++] = (struct fs_option){name, equals == NULL ? NULL : equals + 1};
  return 0;
}

/* Where files of the host would be trusted for what the kernel says, or the image would choose what is covered. */
static bool is_system_target(const char *target) {
  static const char *const targets[] = {"/proc", "/sys", "/dev", "/sys/fs/cgroup"};
  return is_among(target, targets, OCI_COUNT(targets));
}

static bool has_word(const struct json *options, const char *word) {
  for (const struct json *item = options == NULL ? NULL : options->first; item != NULL; item = item->next) {
    if (item->kind == JSON_STRING && strcmp(item->text, word) == 0)
      return true;
  }
  return false;
}

/* Without double slashes, `.` and one at the end; NULL for one with `..`. */
static const char *clean(struct container_spec *spec, const char *path) {
  char *out = spec_allocate(spec, strlen(path) + 2);
  size_t used = 0;
  while (out != NULL && *path != '\0') {
    path += strspn(path, "/");
    size_t length = strcspn(path, "/");
    if (length == 2 && strncmp(path, "..", 2) == 0)
      return NULL;
    if (length > 0 && !(length == 1 && path[0] == '.')) {
      out[used++] = '/';
      memcpy(out + used, path, length);
      used += length;
    }
    path += length;
  }
  if (out != NULL && used == 0)
    out[0] = '/';
  return out;
}

static int read_mount(const struct json *item, const char *bundle, struct mount_spec *mount,
                      struct container_spec *spec, struct error *error) {
  static const char *const unsupported[] = {"uidMappings", "gidMappings"};
  const struct json *options;
  const char *target = NULL, *type = NULL, *source = NULL;
  if (item->kind != JSON_OBJECT)
    return oci_reject(error, item, "is not an object");
  if (oci_unsupported(item, unsupported, OCI_COUNT(unsupported), error) < 0 ||
      oci_absolute(item, "destination", &target, error) < 0 || oci_string(item, "type", &type, error) < 0 ||
      oci_string(item, "source", &source, error) < 0 || oci_array(item, "options", &options, error) < 0)
    return -1;
  if (target == NULL)
    return oci_missing(error, item, "destination");
  if ((mount->target = clean(spec, target)) == NULL)
    return oci_reject(error, json_get(item, "destination"), "has a part \"..\"");
  const bool recursive = has_word(options, "rbind");
  if (recursive || has_word(options, "bind") || (type != NULL && strcmp(type, "bind") == 0)) {
    mount->kind = MOUNT_BIND;
    mount->recursive = recursive;
    if (source == NULL || source[0] == '\0')
      return oci_missing(error, item, "source");
    mount->source = source[0] == '/' ? source : spec_format(spec, "%s/%s", bundle, source);
  } else {
    if (type == NULL || type[0] == '\0')
      return oci_missing(error, item, "type");
    mount->kind = strcmp(type, "cgroup") == 0 ? MOUNT_CGROUP : MOUNT_FS;
    mount->type = type;
    mount->source = source == NULL || source[0] == '\0' ? type : source;
    mount->takes_mode = strcmp(type, "tmpfs") == 0;
    mount->is_system = is_system_target(mount->target);
  }
  for (const struct json *option = options == NULL ? NULL : options->first; option != NULL; option = option->next) {
    if (read_option(option, mount, spec, error) < 0)
      return -1;
  }
  return 0;
}

int oci_mounts(const struct json *root, const char *bundle, struct container_spec *spec, struct error *error) {
  const struct json *list;
  size_t count = 0;
  if (oci_array(root, "mounts", &list, error) < 0)
    return -1;
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next)
    count++;
  if (count > SPEC_MOUNTS_MAX)
    return oci_reject(error, list, "has more than %d items", SPEC_MOUNTS_MAX);
  spec->mounts = spec_allocate(spec, count * sizeof *spec->mounts);
  if (spec->mounts == NULL)
    return fail(error, 1, 0, "mounts: does not fit into memory");
  for (const struct json *item = list == NULL ? NULL : list->first; item != NULL; item = item->next) {
    if (read_mount(item, bundle, &spec->mounts[spec->mount_count++], spec, error) < 0)
      return -1;
  }
  return 0;
}
