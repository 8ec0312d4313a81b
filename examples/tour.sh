#!/bin/sh
# Builds lessor and does its main job on examples/minehost: plan, apply, show, drift.
#
#   examples/tour.sh          on a pretend host that is kept in a file
#   examples/tour.sh docker   on this machine's Docker Engine
set -eu
cd "$(dirname "$0")/.."

cargo build --release --package lessor
PATH="${CARGO_TARGET_DIR:-$PWD/target}/release:$PATH"

if [ "${1:-}" = docker ]; then
  examples/busybox-image.sh
  export LESSOR_ENDPOINT="par1=${DOCKER_HOST:-unix:///var/run/docker.sock}"
  export LESSOR_DATABASE_URL=sqlite:.lessor/docker.db
fi

step() {
  printf '\n$ %s\n' "$*"
  "$@"
}
step lessor validate examples/minehost
step lessor plan examples/minehost
step lessor apply examples/minehost --yes
step lessor show examples/minehost
step lessor drift examples/minehost
