#!/usr/bin/env bash
# Builds a container image and a Debian package of lessor.
#
#   packaging/package.sh [BINARY [DIRECTORY]]
#
# BINARY is a release build, made now when none is given; the packages go to DIRECTORY, which is
# target/package. LESSOR_IMAGE names the image; it is lessor:VERSION. What is packed bears the time
# SOURCE_DATE_EPOCH, which is that of the commit, so the same binary gives the same packages.
set -euo pipefail
umask 022
repository=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$repository/target}

if [ $# -eq 0 ]; then
  cargo build --release --package lessor --manifest-path "$repository/Cargo.toml"
fi
binary=$(realpath "${1:-$target/release/lessor}")
directory=${2:-$target/package}
mkdir -p "$directory"
directory=$(realpath "$directory")

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git -C "$repository" log -1 --format=%ct 2>/dev/null || echo 0)
fi
export SOURCE_DATE_EPOCH

"$repository/packaging/image.sh" "$binary" "$directory"
"$repository/packaging/deb.sh" "$binary" "$directory"
