#!/bin/sh
# Writes a root filesystem made of Debian's busybox-static to standard output, as a tar.
#
#   scripts/base-busybox.sh | tsbuild import - busybox:latest
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

is_static() { [ -x "$1" ] && ! ldd "$1" >/dev/null 2>&1; }

busybox=$(command -v busybox || true)
if [ -z "$busybox" ] || ! is_static "$busybox"; then
    # Fetched and unpacked, not installed: the machine stays as it is.
    (
        cd "$work"
        apt-get -qq download busybox-static 2>/dev/null || { apt-get -qq update && apt-get -qq download busybox-static; }
        dpkg-deb -x busybox-static_*.deb package
    ) >&2
    for busybox in "$work"/package/bin/busybox "$work"/package/usr/bin/busybox; do
        [ -x "$busybox" ] && break
    done
fi

root=$work/root
mkdir -p "$root"/bin "$root"/etc "$root"/root "$root"/home "$root"/var "$root"/usr/bin "$root"/usr/sbin "$root"/sbin "$root"/tmp
chmod 0700 "$root"/root
chmod 1777 "$root"/tmp
cp "$busybox" "$root"/bin/busybox
chmod 0755 "$root"/bin/busybox
for applet in $("$root"/bin/busybox --list); do
    [ "$applet" = busybox ] || ln "$root"/bin/busybox "$root/bin/$applet"
done
cat > "$root"/etc/passwd <<'EOF'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
EOF
cat > "$root"/etc/group <<'EOF'
root:x:0:
daemon:x:1:
www-data:x:33:
nogroup:x:65534:
EOF
printf 'root:*:::::::\n' > "$root"/etc/shadow
chmod 0640 "$root"/etc/shadow
tar --create --numeric-owner --owner=0 --group=0 --sort=name --mtime=@0 --directory="$root" .
