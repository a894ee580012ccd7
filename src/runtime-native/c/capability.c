#include "capability.h"

#include <endian.h>
#include <linux/capability.h>
#include <string.h>

#include "userns.h"

/* Bytes of a tar or an attribute, which may be aligned to nothing. */
static bool is_version_3(const void *value, size_t size, struct vfs_ns_cap_data *data) {
  if (size != XATTR_CAPS_SZ_3)
    return false;
  memcpy(data, value, size);
  return (le32toh(data->magic_etc) & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3;
}

size_t capability_to_plain(void *value, size_t size) {
  struct vfs_ns_cap_data data;
  if (!is_version_3(value, size, &data))
    return size;
  data.magic_etc = htole32((le32toh(data.magic_etc) & ~VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2);
  memcpy(value, &data, XATTR_CAPS_SZ_2);
  return XATTR_CAPS_SZ_2;
}

bool capability_is_of_unknown_root(const void *value, size_t size) {
  struct vfs_ns_cap_data data;
  return is_version_3(value, size, &data) && !userns_has_uid(le32toh(data.rootid));
}
