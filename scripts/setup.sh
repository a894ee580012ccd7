#!/bin/sh
# Installs, from Debian's packages, what building and testing need and this machine lacks.
#
#   scripts/setup.sh          for the build: a C compiler and make
#   scripts/setup.sh test     for the tests as well: a static busybox, a registry, a bootstrapper of Debian,
#                             OpenSSH, crun, podman, containerd, Docker and runc to compare with, a kernel to boot, and
#                             clang and cppcheck
set -eu

missing=
need() { # package, then a command that shows that it is there
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

need gcc gcc --version
need make make --version
need libc6-dev sh -c 'test -e "$(gcc -print-file-name=libc.a)"'
if [ "${1-}" = test ]; then
    need clang clang --version
    need libclang-rt-14-dev sh -c 'test -e "$(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a"'
    need cppcheck cppcheck --version
    need busybox-static sh -c 'test -x "$(command -v busybox)" && ! ldd "$(command -v busybox)"'
    need docker-registry docker-registry --version
    need git git --version
    need iproute2 ip -V
    need nftables nft --version
    need util-linux nsenter --version
    need xz-utils xz --version
    need zstd zstd --version
    need bzip2 bzip2 --help
    need mmdebstrap mmdebstrap --version
    need openssh-client ssh -V
    need openssh-server test -x /usr/sbin/sshd
    need openssl openssl version
    need uidmap sh -c 'command -v newuidmap'
    need passt sh -c 'command -v pasta'
    need slirp4netns slirp4netns --version
    need fuse-overlayfs fuse-overlayfs --version
    need bindfs bindfs --version
    need libcap2-bin setcap -h
    need runc runc --version
    need crun crun --version
    need podman podman --version
    need conmon conmon --version
    need containerd containerd --version
    need docker.io dockerd --version
    need user-mode-linux test -x /usr/bin/linux.uml
    need e2fsprogs mke2fs -V
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "setup: install these with your package manager:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: run as root: apt-get update && apt-get install -y$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update
# Registries and SSH servers are started by the tests that need them, on ports of their own; the packages' services stay off.
# shellcheck disable=SC2086 # a list of names
$as_root env RUNLEVEL=1 apt-get -qq install -y --no-install-recommends $missing >/dev/null
