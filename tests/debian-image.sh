#!/usr/bin/env bash
# Makes an image of this machine's Debian release with systemd, for tests to install packages in,
# and prints its name. It takes about a minute, and nothing when the image is there.
set -euo pipefail
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
image=lessor.example/debian:$(. /etc/os-release && echo "$VERSION_ID")

if ! docker image inspect "$image" >/dev/null 2>&1; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # Merged from the start, the tree needs no Perl to merge it; and it outlives no power cut, so
  # nothing waits for the disk.
  mmdebstrap --quiet --variant=essential --include=systemd,usr-is-merged \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --dpkgopt=force-unsafe-io \
    "$release" "$work/root.tar" >&2
  docker import --change 'ENV container=docker' "$work/root.tar" "$image" >/dev/null
fi
echo "$image"
