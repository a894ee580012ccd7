#!/bin/sh
# Writes a root filesystem with the machine's own Node, the libraries it needs, busybox, and this package's TypeScript compiler to
# standard output, as a tar: a stand-in for Docker Hub's node image where that cannot be reached.
#
#   scripts/base-node.sh | tsbuild import -c 'CMD ["node"]' - node:20
set -eu

here=$(cd "$(dirname "$0")" && pwd)
modules=$here/../node_modules
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"
"$here"/base-busybox.sh | tar --extract --directory="$root"

node=$(readlink -f "$(node -p process.execPath)")
mkdir -p "$root"/usr/local/bin "$root"/usr/local/lib/node_modules/@types
cp "$node" "$root"/usr/local/bin/node
ldd "$node" | grep -o '/[^ )]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

cp -RL "$modules"/typescript "$root"/usr/local/lib/node_modules/typescript
mkdir -p "$root"/usr/local/lib/node_modules/@typescript
cp -RL "$modules"/@typescript/typescript-linux-* "$root"/usr/local/lib/node_modules/@typescript/
cp -RL "$modules"/@types/node "$root"/usr/local/lib/node_modules/@types/node
cp -RL "$modules"/undici-types "$root"/usr/local/lib/node_modules/undici-types
ln -s ../lib/node_modules/typescript/bin/tsc "$root"/usr/local/bin/tsc

mkdir -p "$root"/usr/bin "$root"/home/node
[ -e "$root"/usr/bin/env ] || ln -s /bin/busybox "$root"/usr/bin/env
echo 'node:x:1000:1000:node:/home/node:/bin/sh' >> "$root"/etc/passwd
echo 'node:x:1000:' >> "$root"/etc/group
tar --create --numeric-owner --owner=0 --group=0 --sort=name --mtime=@0 --directory="$root" .
