#!/bin/sh
# Makes the image that the examples run, lessor.example/busybox:1, out of Debian's busybox-static.
# There is nothing to pull: the image is one static program.
set -eu
IMAGE=lessor.example/busybox:1
docker image inspect "$IMAGE" >/dev/null 2>&1 && exit 0
busybox=$(command -v busybox) || {
  echo "error: there is no busybox; install it with: apt-get install busybox-static" >&2
  exit 1
}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/tmp" "$root/data"
cp "$busybox" "$root/bin/busybox"
for name in sh ls cat sleep httpd nc ps kill; do ln -s busybox "$root/bin/$name"; done
tar -C "$root" -c . | docker import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' - "$IMAGE" >/dev/null
echo "made image $IMAGE"
