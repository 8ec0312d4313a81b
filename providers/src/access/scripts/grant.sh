# Makes the account `$1` with the mark `$2`, which ends on the day `$3`, and lets a key in. The input
# has three lines: the key, a password or nothing, and a key to prove it with or nothing.
name=$1 mark=$2 day=$3
IFS= read -r key
IFS= read -r password
IFS= read -r once

step look
alone
[ -f /etc/shadow ] || fail "there is no /etc/shadow, without which no account ends by itself"
if account "$name"; then
  [ "${comment%%,*}" = "$mark" ] ||
    refuse "the account \`$name\` is there already, and is not this reservation's"
else
  step create
  home=/home/$name
  if [ -e "$home" ] || [ -L "$home" ]; then
    refuse "\`$home\` is there already and is no account's"
  fi
  shell=/bin/sh
  [ -x /bin/bash ] && shell=/bin/bash
  if has useradd; then
    must useradd --no-create-home --home-dir "$home" --shell "$shell" --comment "$mark" \
      --expiredate "$day" --user-group "$name"
  elif has adduser; then
    # This one knows no end: nobody gets in before the account has one.
    must adduser -D -H -h "$home" -s "$shell" -g "$mark" "$name" >&2
  else
    fail "there is neither \`useradd\` nor \`adduser\`"
  fi
  account "$name" || fail "\`$name\` was made and is not there"
fi
step expiry
[ "$(shadow "$name" 8)" = "$day" ] || end_on "$name" "$day"

if [ ! -d "$home" ]; then
  # A number may have been somebody's before.
  step clean
  end_processes
  sweep
  step home
  [ -d /home ] || must mkdir -m 755 /home
  rm -rf -- "$home.lessor"
  must mkdir -m 700 "$home.lessor"
  if [ -d /etc/skel ]; then must cp -R /etc/skel/. "$home.lessor/"; fi
  must chown -R "$uid:$gid" "$home.lessor"
  must mv "$home.lessor" "$home"
fi

# From here on the home is theirs: whatever is done in it is done as them, so that no link in it
# leads root anywhere.
step key
as_user /bin/sh -c '
  umask 077
  cd "$1" && { [ -d .ssh ] || mkdir .ssh; } || exit 1
  new=.ssh/authorized_keys.lessor
  {
    echo "$2"
    [ -z "$3" ] || echo "$3"
    [ ! -f .ssh/authorized_keys ] || grep -vxF -e "$2" .ssh/authorized_keys | grep -v " lessor-proof\$"
  } >"$new"
  { grep -qxF -e "$2" "$new" && { [ -z "$3" ] || grep -qxF -e "$3" "$new"; }; } ||
    { rm -f "$new"; echo "the key could not be written: $(df -k . | tail -n 1)"; exit 1; } >&2
  chmod 700 .ssh && chmod 600 "$new" && mv -f "$new" .ssh/authorized_keys
' sh "$home" "$key" "$once" || fail "\`authorized_keys\` of \`$name\` could not be made"

step unlock
case $(shadow "$name" 2) in '' | '!'*) locked=1 ;; *) locked= ;; esac
if [ -n "$password" ]; then
  printf '%s:%s\n' "$name" "$password" | chpasswd >&2 || fail "the password was not taken"
elif [ -n "$locked" ] && has usermod; then
  # No password fits, and it counts as open: without PAM, a locked one keeps keys out as well.
  must usermod --password '*' "$name"
elif [ -n "$locked" ]; then
  echo "$name:*" | chpasswd -e >&2 || fail "\`chpasswd\` ended with $?"
fi

step prove
as_user "$shell" -c 'cd "$1" && test -r .ssh/authorized_keys' sh "$home" </dev/null >&2 ||
  fail "the shell \`$shell\` of \`$name\` does not run, or does not find its keys"
echo "$uid"
