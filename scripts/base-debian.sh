#!/bin/sh
# Writes a minimal root filesystem of the machine's own Debian release to standard output, as a tar: a stand-in for Docker Hub's
# debian:*-slim where that cannot be reached. apt in it uses the machine's Debian mirrors, and its settings for proxies and for
# the validity of indexes, so the result is for tests on this machine and not to be handed on.
#
#   scripts/base-debian.sh | tsbuild import -c 'CMD ["bash"]' - debian:bookworm-slim
set -eu

# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:?}")

settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
apt-config dump --format '%f "%v";%n' |
    grep -E '^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date|Retries)[^ ]* "..*";$' > "$settings" || true

set --
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    # Others, such as a vendor's, have keys that the base does not have.
    if [ -f "$file" ] && grep -Eq '^(deb .*|URIs:.*)/debian(-security)?/?( |$)' "$file"; then set -- "$@" "$file"; fi
done

SOURCE_DATE_EPOCH=0 mmdebstrap --quiet --mode=root --variant=minbase --format=tar \
    --aptopt="$settings" \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" - "$@"
