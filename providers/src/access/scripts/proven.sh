# Takes the key away that the account `$1` was proved with.
name=$1 mark=$2
step proven
alone
account "$name" && [ "${comment%%,*}" = "$mark" ] || fail "the account \`$name\` is gone"
as_user /bin/sh -c '
  umask 077
  cd "$1/.ssh" || exit 1
  grep -v " lessor-proof\$" authorized_keys >authorized_keys.lessor
  chmod 600 authorized_keys.lessor && mv -f authorized_keys.lessor authorized_keys
' sh "$home" || fail "\`authorized_keys\` of \`$name\` could not be made"
