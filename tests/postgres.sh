#!/usr/bin/env bash
# A PostgreSQL to throw away, for tests: `tests/postgres.sh start` prints where it is, and
# `tests/postgres.sh stop` ends it and removes what it kept. Started twice, there is one. `restart` lets
# it crash and come back where it was.
#
# It listens on loopback alone, with a password made up for it, and speaks TLS with a certificate of
# its own. Text is ordered as people order it, and not by bytes, so that whoever relies on one of
# the two is found out.
set -euo pipefail

directory=${2:-${TMPDIR:-/tmp}/lessor-postgres-$(id -u)}
data=$directory/data

# The newest there is. Debian keeps the server's commands out of the way of users.
commands() {
  local found
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort | tail -n 1)
  [ -x "$found/initdb" ] || found=$(dirname "$(command -v initdb || true)")
  if [ ! -x "$found/initdb" ]; then
    echo "error: there is no PostgreSQL here; on Debian, \`apt-get install postgresql\`" >&2
    exit 1
  fi
  echo "$found"
}

# PostgreSQL does not run as root.
as_server() {
  if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

is_running() {
  [ -d "$data" ] && as_server "$commands/pg_ctl" status --pgdata "$data" >/dev/null 2>&1
}

make() {
  rm -rf "$directory"
  mkdir -p "$directory"
  chmod 711 "$directory"
  ( umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' 'ab' >"$directory/password" )
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN=localhost -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
    -addext basicConstraints=CA:FALSE \
    -keyout "$directory/server.key" -out "$directory/server.crt" 2>/dev/null
  chmod 600 "$directory/server.key"
  if [ "$(id -u)" -eq 0 ]; then chown -R postgres: "$directory"; fi
  as_server "$commands/initdb" --pgdata "$data" --username lessor --pwfile "$directory/password" \
    --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8 --locale-provider icu \
    --icu-locale en-US >/dev/null
  # Nothing here outlives the machine, so nothing waits for the disk, unless what that costs is
  # measured; then statements are counted as well.
  local waits=off counted=
  if [ -n "${DURABLE:-}" ]; then
    waits=on
    counted=pg_stat_statements
  fi
  cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
fsync = $waits
full_page_writes = $waits
shared_preload_libraries = '$counted'
ssl = on
ssl_cert_file = '$directory/server.crt'
ssl_key_file = '$directory/server.key'
CONF
}

# The ports of others are not known beforehand.
launch() {
  local port
  for _ in $(seq 20); do
    port=$((RANDOM % 20000 + 30000))
    if as_server "$commands/pg_ctl" start --pgdata "$data" --wait --log "$directory/log" \
      --options "-p $port" >/dev/null 2>&1; then
      echo "$port" >"$directory/port"
      return
    fi
  done
  echo "error: PostgreSQL did not start; its log:" >&2
  tail -n 20 "$directory/log" >&2
  exit 1
}

start() {
  if ! is_running; then
    make
    launch
  fi
  echo "postgres://lessor:$(cat "$directory/password")@127.0.0.1:$(cat "$directory/port")/postgres"
}

stop() {
  if is_running; then
    as_server "$commands/pg_ctl" stop --pgdata "$data" --mode immediate --wait >/dev/null
  fi
  rm -rf "$directory"
}

restart() {
  as_server "$commands/pg_ctl" restart --pgdata "$data" --mode immediate --wait \
    --log "$directory/log" --options "-p $(cat "$directory/port")" >/dev/null
}

commands=$(commands)
case ${1:-} in
  start) start ;;
  stop) stop ;;
  restart) restart ;;
  *)
    echo "usage: tests/postgres.sh start|stop|restart [DIRECTORY]" >&2
    exit 64
    ;;
esac
