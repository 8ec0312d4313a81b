#!/usr/bin/env bash
# Passes every test. Installs and starts what they need: a Docker Engine with images for it, a
# PostgreSQL, what reads drawings and spec files as others do, clients of others for the sandbox, and
# what makes the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

install() {
  local missing=()
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v busybox >/dev/null || missing+=(busybox-static)
  [ -n "$(compgen -G '/usr/lib/postgresql/*/bin/initdb')" ] || missing+=(postgresql)
  command -v psql >/dev/null || missing+=(postgresql-client)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v dot >/dev/null || missing+=(graphviz)
  command -v xmllint >/dev/null || missing+=(libxml2-utils)
  command -v git >/dev/null || missing+=(git)
  command -v curl >/dev/null || missing+=(curl)
  command -v jq >/dev/null || missing+=(jq)
  [ -x /usr/sbin/sshd ] || missing+=(openssh-server)
  command -v ssh-agent >/dev/null || missing+=(openssh-client)
  command -v make >/dev/null || missing+=(make)
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v dpkg-shlibdeps >/dev/null || missing+=(dpkg-dev)
  command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
  [ ${#missing[@]} -eq 0 ] && return
  echo "installing ${missing[*]}"
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}"
}

# What editors check and complete TOML with, once for each version.
install_taplo() {
  [ tests/editors/node_modules/.package-lock.json -nt tests/editors/package-lock.json ] && return
  echo "installing Taplo"
  npm ci --no-audit --no-fund --loglevel=error --prefix tests/editors
}

# Clients of others that speak with the sandbox, once for each version.
install_clients() {
  local list home=target/clients
  for list in requirements.txt collections.txt; do
    [ "$home/ready" -nt "tests/clients/$list" ] || rm -rf "$home"
  done
  [ -e "$home/ready" ] && return
  echo "installing clients of others"
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
    --only-binary :all: --requirement tests/clients/requirements.txt
  # One of the hundred collections in it is wanted; all of them would take half a gigabyte.
  "$home/bin/pip" download --quiet --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: --dest "$home" --requirement tests/clients/collections.txt
  "$home/bin/python" tests/clients/unpack.py "$home"/ansible-*.whl community/proxmox "$home"
  rm "$home"/ansible-*.whl
  touch "$home/ready"
}

# An engine that somebody else runs is used as it is.
start_engine() {
  docker version >/dev/null 2>&1 && return
  echo "starting dockerd"
  local log
  log=$(mktemp)
  dockerd >"$log" 2>&1 &
  started=$!
  for _ in $(seq 60); do
    docker version >/dev/null 2>&1 && return
    sleep 0.5
  done
  echo "error: dockerd did not start; its log:" >&2
  tail -n 20 "$log" >&2
  exit 1
}

# One of our own, unless somebody names another.
start_postgres() {
  [ -n "${LESSOR_TEST_POSTGRES:-}" ] && return
  echo "starting PostgreSQL"
  postgres=$(mktemp -d)
  LESSOR_TEST_POSTGRES=$(tests/postgres.sh start "$postgres")
  export LESSOR_TEST_POSTGRES
}

stop_all() {
  [ -z "${started:-}" ] || kill "$started" 2>/dev/null || true
  [ -z "${postgres:-}" ] || tests/postgres.sh stop "$postgres" || true
}

install
install_taplo
install_clients
trap stop_all EXIT
start_engine
start_postgres
examples/busybox-image.sh
tests/debian-image.sh
tests/machine-images.sh

# Most tests wait for something, so that more of them than cores can run at once.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}

# One build serves the tests and the command they run.
output=$(mktemp)
status=0
cargo test --workspace --no-fail-fast 2>&1 | tee "$output" || status=$?

awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$output"
exit "$status"
