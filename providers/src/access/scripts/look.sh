# Tells our accounts: what their comments begin with is `$1`. Changes nothing.
step look
ours=$1
[ -r /etc/passwd ] || fail "there is no /etc/passwd"
grep -F ":$ours" /etc/passwd | while IFS=: read -r name _ uid _ comment _; do
  echo "$name:$uid:$(shadow "$name" 8):$comment"
done
