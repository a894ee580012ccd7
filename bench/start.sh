#!/bin/bash
# Times whole processes that start one container: bench/start.sh ROUNDS BUNDLE [CHROOT], as root.
#
# BUNDLE is a directory with config.json and its root; CHROOT one that has crun and runc, when the machine has none. The runs are
# interleaved, at real-time priority, in a mount namespace without the version 2 hierarchy of a hybrid, which crun 1.28 refuses.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rounds=$1 bundle=$(realpath "$2") chroot=${3:-/}
program=$(mktemp)
trap 'rm -f "$program"' EXIT
gcc -O2 -o "$program" "$here/start.c"
unshare -m bash -euc '
  mount --make-rprivate /
  for group in unified cpu; do umount "/sys/fs/cgroup/$group" 2> /dev/null || true; done
  # Where states are, as on most machines; the chroot gets one, too.
  mount -t tmpfs tmpfs /run
  if [ "$3" != / ]; then
    mount --bind "$3" "$3"
    for dir in proc sys dev; do mount --rbind "/$dir" "$3/$dir"; done
    mount -t tmpfs tmpfs "$3/run"
    mount -t tmpfs tmpfs "$3/mnt"
    mkdir -p "$3/mnt/bundle"
    mount --bind "$2" "$3/mnt/bundle"
  fi
  exec chrt -r 5 "$4" "$1" "$2" "$3" "$5"
' bash "$rounds" "$bundle" "$chroot" "$program" "$here/../src/runtime-native/c/build/tsbuild-runtime"
uptime
