# Runs a program, which is the `$2` bytes of the input, for at most `$1` seconds, and then the command
# `$3` if there is one: it says whether the machine is clean.
seconds=$1 size=$2 verify=$3
within() { if has timeout; then timeout "$seconds" "$@"; else "$@"; fi; }

step script
alone
directory=$(mktemp -d /root/.lessor.XXXXXX 2>/dev/null || mktemp -d /tmp/.lessor.XXXXXX) ||
  fail "there is nowhere to put the script"
trap 'rm -rf "$directory"' EXIT
program=$directory/sanitise
head -c "$size" >"$program"
[ "$(wc -c <"$program")" -eq "$size" ] || fail "the script did not come whole"
chmod 700 "$program"
first=
IFS= read -r first <"$program"
cd /
case $first in
  '#!'*) within "$program" </dev/null >&2 9>&- ;;
  *) within /bin/sh "$program" </dev/null >&2 9>&- ;;
esac || fail "it ended with $?"

step verify
[ -z "$verify" ] || within /bin/sh -c "$verify" </dev/null >&2 9>&- ||
  fail "the machine is not clean: \`$verify\` ended with $?"
