# Takes the account `$1` away, if its comment begins with `$2`, with everything of it.
name=$1 ours=$2

step look
account "$name" || exit 0
case $comment in "$ours"*) ;; *) refuse "the account \`$name\` is not ours" ;; esac

# Who has taken every process there may be would keep us from all that follows.
step quench
end_processes
alone

# Nobody comes in any more: not by a password, not by a key, not by a job.
step lock
if has usermod; then
  usermod --lock "$name"
else
  passwd -l "$name" >/dev/null
fi
[ -z "$(shadow "$name" 1)" ] || end_on "$name" 1
if [ -d "$home" ] && [ ! -L "$home" ]; then
  # In one go, and nothing in it is touched: a link in there may lead anywhere.
  rm -rf -- "$home.gone"
  mv "$home" "$home.gone" || fail "\`$home\` cannot be taken away"
fi
if has crontab; then crontab -u "$name" -r 2>/dev/null; fi
rm -f "/var/spool/cron/crontabs/$name" "/var/spool/cron/$name" "/var/lib/systemd/linger/$name"

# And whoever came in meanwhile goes.
step kill
if [ -d /run/systemd/system ] && has loginctl; then
  shortly loginctl disable-linger "$name" 2>/dev/null
  rm -f "/var/lib/systemd/linger/$name"
  # What somebody became root for is in there as well.
  shortly systemctl kill --signal=KILL "user-$uid.slice" 2>/dev/null
  shortly loginctl terminate-user "$name" 2>/dev/null
fi
end_processes
if [ -d /run/systemd/system ] && has systemctl; then
  shortly systemctl stop "user@$uid.service" "user-runtime-dir@$uid.service" 2>/dev/null
fi

step remove
sweep
rm -rf -- "$home.gone" "$home.lessor"
for left in "$home" "$home.gone" "$home.lessor"; do
  [ ! -e "$left" ] || fail "\`$left\` does not go"
done
rm -f "/var/mail/$name" "/var/spool/mail/$name"
[ -d "/run/user/$uid" ] && { umount -l "/run/user/$uid"; rmdir "/run/user/$uid"; } 2>/dev/null

# While the account is there, its number is known: so it goes last, when nothing else is left.
step prove
left=$(leftovers | head -n 5)
[ -z "$left" ] || fail "these files do not go: $(echo "$left" | tr '\n' ' ')"
end_processes

step delete
if has userdel; then
  userdel "$name" 2>/dev/null || userdel --force "$name"
else
  deluser "$name"
fi
grep -q "^$name:" /etc/passwd && fail "the account \`$name\` does not go"
find_processes
[ -z "$found$(leftovers | head -n 1)" ] || fail "something of \`$name\` came back"
exit 0
