# Sees that there is room for a home. What it leaves for that is gone when it ends.
step probe
place=/home
[ -d "$place" ] || place=/
try=$place/.lessor-probe
rm -rf -- "$try"
{ mkdir "$try" && echo probe >"$try/file" && [ -s "$try/file" ]; }
there=$?
rm -rf -- "$try"
[ "$there" = 0 ] || fail "nothing can be written in \`$place\`: $(df -k "$place" | tail -n 1)"
