# What every script begins with. They run as root in whatever /bin/sh is there, and are safe to repeat
# wherever they were cut off. What comes from outside comes as an argument or as input.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077

step() { echo "lessor: step $1" >&2; }
fail() { echo "$*" >&2; exit 1; }
refuse() { echo "$*" >&2; exit 10; }
has() { command -v "$1" >/dev/null 2>&1; }
must() { "$@" || fail "\`$1\` ended with $?"; }
pause() { sleep 0.1 2>/dev/null || sleep 1; }

# Some commands ask another program, which may never answer.
shortly() { if has timeout; then timeout 5 "$@"; else "$@"; fi; }

# One of us at a time: what was cut off for us may still be at it there.
alone() {
  has flock || return 0
  place=/run
  [ -d "$place" ] || place=/etc
  exec 9>"$place/lessor-access.lock"
  tries=0
  until flock -n 9; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "what was begun here before is still at work"
    pause
  done
}

# Reads the account `$1` into $uid, $gid, $comment, $home and $shell. Here and where processes are found,
# nothing starts another process: somebody may have taken all that there may be.
account() {
  uid=
  while IFS=: read -r other _ uid gid comment home shell; do
    [ "$other" != "$1" ] || break
    uid=
  done </etc/passwd
  [ -n "$uid" ] || return 1
  case $uid in *[!0-9]* | 0) refuse "the account \`$1\` has the number \`$uid\`" ;; esac
  while IFS=: read -r other _ number _; do
    [ "$number" != "$uid" ] || [ "$other" = "$1" ] ||
      refuse "the account \`$1\` shares its number $uid with \`$other\`"
  done </etc/passwd
  [ "$home" = "/home/$1" ] || refuse "the home of \`$1\` is \`$home\`, which lessor did not make"
}

shadow() { grep -m 1 "^$1:" /etc/shadow | cut -d : -f "$2"; }

# Puts the day `$2` into /etc/shadow, from which on the account `$1` lets nobody in.
end_on() {
  if has usermod; then
    must usermod --expiredate "$2" "$1"
  else
    must sed -i -E "s/^($1:([^:]*:){6})[^:]*/\\1$2/" /etc/shadow
  fi
  [ "$(shadow "$1" 8)" = "$2" ] || fail "/etc/shadow does not say when \`$1\` ends"
}

# Runs a command as the account that was read last.
as_user() {
  if setpriv --help 2>&1 | grep -q -e --reuid; then
    setpriv --reuid "$uid" --regid "$gid" --init-groups "$@" 9>&-
  else
    su -s /bin/sh -c 'exec "$@"' "$name" -- sh "$@" 9>&-
  fi
}

# Finds the processes of $uid, by whichever of its four numbers, and those of root that let $name in
# over ssh or are about to. What is dead and not buried is none.
find_processes() {
  found=
  for status in /proc/[0-9]*/status; do
    word='' title='' condition=''
    while read -r word real effective saved files _; do
      case $word in
        Name:) title=$real ;;
        State:) condition=$real ;;
        Uid:) break ;;
      esac
    done 2>/dev/null <"$status"
    [ "$word" = Uid: ] || continue
    case $condition in Z | X) continue ;; esac
    process=${status#/proc/} process=${process%/status}
    case " $real $effective $saved $files " in
      *" $uid "*) found="$found $process" ;;
      " 0 "*) case $title in sshd*) is_door && found="$found $process" ;; esac ;;
    esac
  done
}

is_door() {
  line=
  { IFS= read -r line </proc/"$process"/cmdline; } 2>/dev/null
  case $line in
    "sshd: $name "* | "sshd: $name@"* | "sshd-"*": $name "* | "sshd-"*": $name@"*) return 0 ;;
  esac
  return 1
}

# Sets $now, in whole seconds.
tell_time() { IFS=. read -r now _ </proc/uptime; }

# Ends every process that is found. They are asked first, and stopped before they are killed, so that
# none of them starts another meanwhile.
end_processes() {
  find_processes
  [ -n "$found" ] || return 0
  # shellcheck disable=SC2086 # these are numbers
  kill -TERM $found 2>/dev/null
  tell_time
  late=$((now + 2))
  while [ -n "$found" ] && [ "$now" -lt "$late" ]; do
    tell_time
    find_processes
  done
  late=$((now + 8))
  while [ -n "$found" ]; do
    [ "$now" -lt "$late" ] || fail "these processes do not end:$found"
    # shellcheck disable=SC2086
    kill -STOP $found 2>/dev/null
    # shellcheck disable=SC2086
    kill -KILL $found 2>/dev/null
    tell_time
    find_processes
  done
}

# Where everybody may leave something.
open_places() {
  for place in /tmp /var/tmp /dev/shm /dev/mqueue /run/lock /var/lock /var/crash "/run/user/$uid" \
    /var/spool/cron /var/spool/at /var/mail /var/spool/mail; do
    [ -d "$place" ] && echo "$place/"
  done
}

leftovers() {
  for place in $(open_places); do
    find "$place" -xdev -user "$uid" 2>/dev/null
  done
}

# Removes what $uid left where everybody may, and what it shared in memory.
sweep() {
  # What it mounted itself, which only root may take away once nobody serves it.
  grep -E "[ ,]user_id=${uid}[, ]" /proc/self/mounts 2>/dev/null | while read -r _ target _; do
    umount -l "$(printf '%b' "$target")"
  done
  for place in $(open_places); do
    find "$place" -xdev -depth -user "$uid" -exec rm -rf -- {} + 2>/dev/null
  done
  has ipcrm && [ -r /proc/sysvipc/shm ] || return 0
  while read -r _ id _ _ _ _ _ owner _; do
    [ "$owner" = "$uid" ] && ipcrm -m "$id"
  done </proc/sysvipc/shm
  while read -r _ id _ _ owner _; do
    [ "$owner" = "$uid" ] && ipcrm -s "$id"
  done </proc/sysvipc/sem
  while read -r _ id _ _ _ _ _ owner _; do
    [ "$owner" = "$uid" ] && ipcrm -q "$id"
  done </proc/sysvipc/msg
  return 0
}

[ -r /proc/self/status ] || fail "there is no /proc"
while read -r word own _; do
  [ "$word" != Uid: ] || break
done </proc/self/status
[ "$own" = 0 ] || refuse "we are number $own there, and only root may do this"
