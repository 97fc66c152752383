# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that :mod:`.guest_scripts` makes its scripts of; ``@NAME@`` is filled in there."""

from __future__ import annotations

RAM = "/dev/goldsmith"
"""The image sees the appliance's own /dev, which is in memory and lasts from one command to the next."""

ENVIRONMENT = """\
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root
unset LVM_SYSTEM_DIR RUNLEVEL PREVLEVEL
umask 022
cd /
"""

LIBRARY = r"""
ram=@RAM@
out=@OUT@
magic='@MAGIC@'
number=

# Nothing but the report disk has its size; where something has, its first line tells.
report=
for device in /sys/class/block/[sv]d*; do
  if read -r sectors <"$device/size" && [ "$sectors" = @SECTORS@ ] &&
    IFS= read -r line <"/dev/${device##*/}" && [ "$line" = "$magic" ]; then
    report=/dev/${device##*/}
  fi
done
if [ -z "$report" ]; then
  echo "goldsmith: the report disk is not to be seen" >&2
  exit 1
fi

# The first sector of the report disk says what is being done. Closing the device writes it out.
enter() {
  read -r uptime _ </proc/uptime
  printf '%s\n%s\n' "$magic" "$1" >"$report"
  printf '%s %s\n' "$1" "$uptime" >>"$out/times"
}

warning() { printf '%s %s\n' "$number" "$1" >>"$out/warnings"; }

write_report() {
  {
    printf '%s\n%s\n' "$magic" "$1"
    tail -v -c @LIMIT@ "$out"/*
    printf '\n%s end\n' "$magic"
  } >"$report"
}

# Of libguestfs' own doing is what is not older than the appliance's /dev/pts, which it mounts when it boots.
changed_now() { [ ! "$1" -ot /dev/pts ]; }
"""

DIRECTORIES = r"""
# virt-customize does everything once more for each operating system that it finds.
if ! mkdir -m 0700 @RAM@; then
  : >"$out/again"
  write_report again
  exit 1
fi
mkdir -m 0700 "$out"
"""

BEGIN = r"""
if ! mkdir -m 0700 @PRIVATE@; then
  echo "goldsmith: @PRIVATE@ is in the image already" >&2
  exit 1
fi
mkdir -m 0700 @UPLOADS@ @STAGING@
@MOUNT@enter begin
"""

PREPARE = r"""
enter prepare

step() {
  deadline=
  if [ -n "$1" ]; then
    read -r uptime _ </proc/uptime
    deadline=$((${uptime%.*} + $1))
  fi
}

operation() {
  number=$1
  enter "$number"
  limit=${3:-}
  if [ -n "$deadline" ]; then
    left=$((deadline - ${uptime%.*}))
    if [ -z "$limit" ] || [ "$left" -lt "$limit" ]; then limit=$left; fi
  fi
  status=0
  if [ -z "$limit" ]; then
    sh -eu "$2" </dev/null >"$out/log.$number" 2>&1 || status=$?
  elif [ "$limit" -le 0 ]; then
    status=timeout
  else
    timeout --kill-after=10 "$limit" sh -eu "$2" </dev/null >"$out/log.$number" 2>&1 || status=$?
    began=${uptime%.*}
    read -r uptime _ </proc/uptime
    # Not every program that was killed was killed for its time.
    case $status in 124 | 137) [ "$((${uptime%.*} - began))" -lt "$limit" ] || status=timeout ;; esac
  fi
  if [ "$status" != 0 ]; then
    printf '%s %s %s\n' "$number" "$status" "$(stat -f -c '%f %S' /)" >"$out/failed"
    write_report "$number"
    exit 1
  fi
}

# What runs in the image, and is neither this shell nor the one that started it.
others() {
  found=
  for process in /proc/[0-9]*; do
    if [ "$process/root" -ef / ]; then
      case ${process#/proc/} in "$$" | "$PPID") ;; *) found="$found ${process#/proc/}" ;; esac
    fi
  done
  [ -n "$found" ]
}

# The end of a step.
leave() {
  keep_resolver
  others || return 0
  # It may be about to end.
  sleep 0.2
  others || return 0
  names=
  for process in $found; do
    if read -r name <"/proc/$process/comm"; then names="$names${names:+, }$name ($process)"; fi
  done 2>/dev/null
  warning "left processes running, which were stopped: $names"
  kill $found 2>/dev/null || :
  for dummy in 1 2 3 4 5 6 7 8 9 10; do
    others || return 0
    sleep 0.2
  done
  kill -KILL $found 2>/dev/null || :
}

keep_resolver() { :; }
packages() { :; }
allow_services() { :; }
"""

GROW = r"""
# The disk is larger than the base's: the root partition and its file system take the new space.
grow() {
  root=$(while read -r device point _; do [ "$point" != / ] || echo "$device"; done </proc/mounts | tail -n 1)
  case $root in
    /dev/[sv]d[a-z][0-9]*) ;;
    *) echo "the root file system is on ${root:-an unknown device}, which is no partition"; return 1 ;;
  esac
  partition=${root##*[a-z]}
  disk=${root%"$partition"}
  name=${disk#/dev/}
  size=$(cat "/sys/class/block/$name/size")
  end=0
  for part in "/sys/class/block/$name/$name"[0-9]*; do
    stop=$(($(cat "$part/start") + $(cat "$part/size")))
    if [ "$stop" -gt "$end" ]; then end=$stop last=${part##*/}; fi
  done
  if [ "$last" != "${root#/dev/}" ]; then echo "the root partition is not the last one on the disk"; return 1; fi
  if [ $((size - end)) -lt 4096 ]; then return 0; fi
  for program in sfdisk partx; do
    command -v "$program" >/dev/null || { echo "the image has no $program"; return 1; }
  done
  echo ', +' | sfdisk -q --force --no-reread --no-tell-kernel -N "$partition" "$disk" || return 1
  partx -u --nr "$partition" "$disk" || return 1
  case $(stat -f -c %T /) in
    ext2/ext3) resize2fs "$root" ;;
    xfs) xfs_growfs / ;;
    btrfs) btrfs filesystem resize max / ;;
    *) echo "file systems of this type cannot be grown: $(stat -f -c %T /)"; return 1 ;;
  esac
}
if ! grow >"$out/grow" 2>&1; then
  number=grow
  warning "the root partition was not grown: $(grep -v '^ *$' "$out/grow" | tail -n 1)"
fi
"""

PACKAGES = r"""
# What dpkg knows before, to be compared with what it knows at the end.
packages() { :; }
if [ -f /var/lib/dpkg/status ]; then
  mkdir "$ram/dpkg"
  cp -p /var/lib/dpkg/status "$ram/dpkg/status"
  list_packages() {
    dpkg-query "$@" -W -f '${db:Status-Abbrev}|${Package}|${Architecture}|${Version}\n'
  }
  packages() {
    if [ /var/lib/dpkg/status -nt "$ram/dpkg/status" ] && [ -x /usr/bin/dpkg-query ]; then
      list_packages --admindir="$ram/dpkg" >"$out/packages-before"
      list_packages >"$out/packages-after"
    fi
  }

  # No service may start during the build.
  policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ] || [ -L "$policy" ]; then mv -T "$policy" "$policy.goldsmith"; fi
  printf '#!/bin/sh\n# goldsmith: while the image is built\nexit 101\n' >"$policy"
  chmod 0755 "$policy"
  allow_services() {
    if [ -f "$policy" ] && { read -r dummy && read -r line; } <"$policy" &&
      [ "$line" = "# goldsmith: while the image is built" ]; then
      rm "$policy"
      if [ -e "$policy.goldsmith" ] || [ -L "$policy.goldsmith" ]; then mv -T "$policy.goldsmith" "$policy"; fi
    else
      # A step made one of its own, which counts.
      rm -f "$policy.goldsmith"
    fi
  }
fi
"""

RESOLVER = r"""
# With network, libguestfs moves the image's resolv.conf to a name of eight characters while a command runs, and back
# after it. What a step makes of resolv.conf is put there, and the next step finds the appliance's again.
resolver=/etc/resolv.conf
away=$(find /etc -maxdepth 1 -name '????????' '(' -type f -o -type l ')' -cnewer /dev/pts)
if [ -e "$away" ] || [ -L "$away" ]; then :; else away=; fi
if [ -f "$resolver" ]; then cp "$resolver" "$ram/resolv.conf"; fi
same_resolver() {
  if [ -e "$ram/resolv.conf" ]; then
    [ ! -L "$resolver" ] && cmp -s "$resolver" "$ram/resolv.conf"
  else
    [ ! -e "$resolver" ] && [ ! -L "$resolver" ]
  fi
}
keep_resolver() {
  if same_resolver; then return; fi
  if [ -n "$away" ] && { [ -L "$resolver" ] || [ -e "$resolver" ]; }; then
    rm "$away"
    cp -P -p "$resolver" "$away"
  else
    warning "changed /etc/resolv.conf, but libguestfs puts it back when the build ends"
  fi
  rm -f "$resolver"
  if [ -e "$ram/resolv.conf" ]; then cp "$ram/resolv.conf" "$resolver"; fi
}
"""

END = r"""
enter end
packages
if [ -e /etc/os-release ]; then
  while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line"; done </etc/os-release >"$out/os-release"
fi

@RESTORE@allow_services

remove_private() {
  umount -l @STAGING@ 2>/dev/null || :
  # Deleted files stay in the free blocks of the image, from where they are published.
  find @UPLOADS@ -type f -links 1 -exec shred -n 0 -z {} + 2>/dev/null || :
  rm -rf --one-file-system @PRIVATE@
}
@PRIVATE_TOO@read -r uptime _ </proc/uptime
printf 'done %s\n' "$uptime" >>"$out/times"
write_report end

# virt-customize's log of what commands printed: nothing. Gone, it need not be scrubbed.
for log in /tmp/builder.log /builder.log; do
  if [ -f "$log" ] && [ ! -s "$log" ]; then rm "$log"; fi
done
"""
