#!/usr/bin/env bash
# Searches for input that breaks a promise: fuzz/run.sh SECONDS TARGET…
#
# What reaches new code is kept in `fuzz/found`, and what breaks a promise in `fuzz/artifacts`. The
# stable compiler does: code without `unsafe` needs no sanitizer, and RUSTC_BOOTSTRAP lets it count
# what is reached.
set -euo pipefail
cd "$(dirname "$0")"
seconds=$1
shift

if ! command -v c++ >/dev/null; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq g++
fi
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# The versions that are shipped are the ones that are tried.
cp ../Cargo.lock Cargo.lock

for target in "$@"; do
  mkdir -p "found/$target"
  more=()
  [ "$target" != specs ] || more=(../examples/hello ../examples/minehost)
  RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir . --sanitizer none "$target" \
    "found/$target" "corpus/$target" "${more[@]}" -- \
    -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=2048
done
