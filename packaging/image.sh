#!/usr/bin/env bash
# Builds the container image of lessor without a registry; packaging/package.sh calls it.
#
#   packaging/image.sh BINARY DIRECTORY
#
# Leaves root.tar, what the image holds, and the image as `docker save` writes it in DIRECTORY.
set -euo pipefail
binary=$1
directory=$2
packaging=$(cd "$(dirname "$0")" && pwd)
version=$("$binary" --version | cut -d ' ' -f 2)
image=${LESSOR_IMAGE:-lessor:$version}

certificates=/etc/ssl/certs/ca-certificates.crt
[ -r "$certificates" ] || {
  echo "error: there is no $certificates; install it with: apt-get install ca-certificates" >&2
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

# The libraries that the program names, at the places where the loader looks for them.
libraries() {
  ldd "$1" | grep -o '/[^ ]*'
}

# What the C library loads by itself to resolve names, where it does not hold that already.
resolvers() {
  local directory
  directory=$(dirname "$(libraries "$1" | grep '/libc\.so')")
  find "$directory" -maxdepth 1 -regex '.*/lib\(nss_files\|nss_dns\|resolv\)\.so\.2'
}

install -D "$binary" "$root/usr/bin/lessor"
strip "$root/usr/bin/lessor"
for library in $(libraries "$binary") $(resolvers "$binary"); do
  install -D "$library" "$root$library"
done
install -D -m 644 "$certificates" "$root$certificates"
install -d "$root/etc" "$root/specs"
install -d -m 1777 "$root/tmp"
cat >"$root/etc/passwd" <<'END'
root:x:0:0:root:/:/sbin/nologin
lessor:x:65532:65532:lessor:/specs:/sbin/nologin
END
cat >"$root/etc/group" <<'END'
root:x:0:
lessor:x:65532:
END
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

# Two runs give the same bytes.
tar -C "$root" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
  --format=gnu -cf "$directory/root.tar" .

cp "$packaging/Dockerfile" "$directory/root.tar" "$work"
rm -r "$root"
# Without the cache: its layers go with the image of another build that made them.
docker build --quiet --no-cache --tag "$image" \
  --build-arg VERSION="$version" \
  --build-arg REVISION="$(git -C "$packaging" rev-parse HEAD 2>/dev/null || echo unknown)" \
  --build-arg CREATED="$(date --utc --date="@$SOURCE_DATE_EPOCH" +%FT%TZ)" \
  "$work" >/dev/null
saved=$directory/lessor_${version}_$(dpkg --print-architecture).image.tar
docker save --output "$saved" "$image"
echo "made image $image, and saved it in $saved"
