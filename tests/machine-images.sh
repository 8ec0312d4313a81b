#!/usr/bin/env bash
# Makes images of machines that people can be let into, for tests, and prints nothing but what goes
# wrong: lessor.example/machine:debian, this machine's Debian release with systemd, an ssh server, cron, at and
# sudo; and lessor.example/machine:busybox, nothing but busybox, which Debian ships as source that knows
# accounts. Each takes about a minute, and nothing when the image is there.
set -euo pipefail

# In a container, no login has a session of its own in the kernel's log.
debian() {
  docker image inspect lessor.example/machine:debian >/dev/null 2>&1 && return
  local release work
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  work=$(mktemp -d)
  mmdebstrap --quiet --variant=essential \
    --include=systemd,systemd-sysv,libpam-systemd,dbus,usr-is-merged,openssh-server,cron,at,sudo \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --dpkgopt=force-unsafe-io \
    --customize-hook='sed -i "/pam_loginuid/d" "$1"/etc/pam.d/*' \
    --customize-hook='mkdir -p "$1/run/sshd"' \
    "$release" "$work/root.tar" >&2
  docker import --change 'ENV container=docker' "$work/root.tar" lessor.example/machine:debian >/dev/null
  rm -rf "$work"
}

# Debian's own is built without the commands for accounts.
busybox() {
  docker image inspect lessor.example/machine:busybox >/dev/null 2>&1 && return
  local release work name
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial" "$work/root"/{bin,dev,etc,home,proc,root,run,sys,tmp,var/spool/cron/crontabs}
  echo "deb-src http://deb.debian.org/debian $release main" >"$work/sources.list"
  local apt=(-qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=-
    -o "Dir::State::Lists=$work/lists" -o APT::Sandbox::User=root)
  (
    cd "$work"
    apt-get "${apt[@]}" update
    apt-get "${apt[@]}" source busybox >/dev/null
    cd busybox-*/
    cp debian/config/pkg/static .config
    for name in ADDUSER ADDGROUP DELUSER DELGROUP CHPASSWD FEATURE_DEL_USER_FROM_GROUP; do
      sed -i "s/^# CONFIG_$name is not set/CONFIG_$name=y/" .config
    done
    sed -i -e 's/^CONFIG_LAST_ID=.*/CONFIG_LAST_ID=60000/' \
      -e 's/^CONFIG_FIRST_SYSTEM_ID=.*/CONFIG_FIRST_SYSTEM_ID=100/' \
      -e 's/^CONFIG_LAST_SYSTEM_ID=.*/CONFIG_LAST_SYSTEM_ID=999/' .config
    # It asks about what depends on these, and `yes` ends when it has heard enough.
    { yes "" || true; } | make oldconfig >/dev/null
    make -j"$(nproc)" busybox >/dev/null 2>&1
    cp busybox "$work/root/bin/"
    for name in $(./busybox --list); do
      [ "$name" = busybox ] || ln -s busybox "$work/root/bin/$name"
    done
  ) >&2
  echo 'root:x:0:0:root:/root:/bin/sh' >"$work/root/etc/passwd"
  echo 'root:x:0:' >"$work/root/etc/group"
  echo 'root:*:1::::::' >"$work/root/etc/shadow"
  chmod 640 "$work/root/etc/shadow"
  chmod 1777 "$work/root/tmp"
  tar -C "$work/root" --owner=0 --group=0 -c . |
    docker import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' - lessor.example/machine:busybox >/dev/null
  rm -rf "$work"
}

debian
busybox
