/* config.json and the file of `exec --process` (oci_*.c), and what its resources mean for either version of control groups. */
#include "oci_config.h"

#include "fuzz.h"
#include "stage.h"

static void path_of(int fd, char *path, size_t size) { snprintf(path, size, "/proc/self/fd/%d", fd); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct oci_config config = {.text = NULL}, process = {.text = NULL};
  struct error error = {0};
  char path[64];
  int fd = memory_file(data, size);
  path_of(fd, path, sizeof path);
  if (oci_config_read(&config, path, "/bundle", &error) == 0) {
    EXPECT(config.spec.args.count > 0 && config.spec.rootfs_directory[0] == '/', "taken without a command or a root");
    for (size_t i = 0; i < config.spec.mount_count; i++)
      EXPECT(config.spec.mounts[i].target[0] == '/', "mount %zu", i);
    if (oci_resources(&config, CGROUP_V1, &config.spec, &error) < 0 || oci_resources(&config, CGROUP_V2, &config.spec, &error) < 0)
      EXPECT(error.stage != 0 && error.detail[0] != '\0', "no reason");
  } else {
    EXPECT((error.stage == STAGE_SPEC || error.stage == STAGE_SECCOMP) && error.detail[0] != '\0', "stage %u: %s", error.stage, error.detail);
  }
  oci_config_free(&config);
  EXPECT(lseek(fd, 0, SEEK_SET) == 0, "errno %d", errno);
  (void)!oci_process_read(&process, path, &error);
  oci_config_free(&process);
  close(fd);
  return 0;
}
