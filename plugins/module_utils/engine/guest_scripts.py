# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell scripts that an engine runs inside the image, around and for each operation.

``begin`` comes first, ``run NUMBER`` carries out one numbered script, ``end`` comes last. They share
:data:`PRIVATE`, a directory of root's in the image that is gone afterwards; what may hold secrets (scripts, contents,
output) lies in :data:`RAM` below it, a tmpfs, and so never reaches the image's disk.

They are POSIX shell, and want of the image what every Debian and Ubuntu has: coreutils, diffutils, findutils, mount.
"""

from __future__ import annotations

import shlex

PRIVATE = "/.goldsmith"
RAM = f"{PRIVATE}/ram"
UPLOADS = f"{PRIVATE}/uploads"
STAGED = f"{RAM}/staged"
"""Where the host's staging directory is copied to: ``run``, ``end``, ``scripts/NUMBER``, ``contents/NUMBER``."""

BLOCK = 65536
"""The report begins at this offset of the report disk, in bytes; the first sector says what is being done."""
LOG_LIMIT = 256 * 1024
"""Bytes of the end of each script's output that go into the report."""

_ENVIRONMENT = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root
unset LVM_SYSTEM_DIR RUNLEVEL PREVLEVEL
umask 022
cd /
"""

_LIBRARY = r"""
ram=@RAM@
. "$ram/state"

# The first sector of the report disk: the magic, and the number of the script being run.
mark() {
  printf '%s\n%s\n' "$magic" "$1" | dd of="$report" bs=512 conv=notrunc,sync,fsync 2>/dev/null
}

frame() {
  printf '%s %s\n' "$1" "$(wc -c <"$2" | tr -d ' ')"
  cat "$2"
}

packages() {
  if command -v dpkg-query >/dev/null; then
    printf 'native %s -\n' "$(dpkg --print-architecture)"
    dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Architecture} ${Version}\n' | sed -n 's/^.i *//p'
  fi
}

write_report() {
  {
    for name in failed warnings os-release packages-before packages-after; do
      if [ -e "$ram/$name" ]; then frame "$name" "$ram/$name"; fi
    done
    for log in "$ram/log"/*; do
      if [ -s "$log" ]; then
        tail -c @LOG_LIMIT@ "$log" >"$ram/tail"
        frame "log/${log##*/}" "$ram/tail"
      fi
    done
    printf 'end 0\n'
  } | dd of="$report" obs=@BLOCK@ seek=1 conv=notrunc,fsync 2>/dev/null
}
"""

_BEGIN = r"""
if ! mkdir -m 0700 @PRIVATE@; then
  echo "goldsmith: @PRIVATE@ is in the image already" >&2
  exit 1
fi
mkdir -m 0700 @RAM@ @UPLOADS@
mount -t tmpfs -o mode=0700 goldsmith @RAM@
mkdir @RAM@/log

magic=@MAGIC@
report=
printf '%s\n' "$magic" >@RAM@/magic
for disk in /dev/sd[a-z] /dev/vd[a-z] /dev/sd[a-z][a-z] /dev/vd[a-z][a-z]; do
  if [ -b "$disk" ] && head -c "$((${#magic} + 1))" "$disk" | cmp -s - @RAM@/magic; then report=$disk; fi
done
if [ -z "$report" ]; then
  echo "goldsmith: the report disk is not to be seen" >&2
  exit 1
fi
printf 'magic=%s\nreport=%s\n' "'$magic'" "'$report'" >@RAM@/state
: >@RAM@/warnings
"""

_BEGIN_REST = r"""
mark begin
packages >"$ram/packages-before"

# What was written since the appliance booted is virt-customize's own doing.
read -r uptime _ </proc/uptime
boot=$(($(date +%s) - ${uptime%.*}))
changed_now() { [ "$(stat -c "$1" "$2")" -ge "$boot" ]; }

# It fills an empty machine-id. That stays while packages are installed, and is emptied at the end.
if [ -f /etc/machine-id ] && [ ! -L /etc/machine-id ] && changed_now %Z /etc/machine-id; then
  cp /etc/machine-id "$ram/machine-id"
fi
# It makes a random seed where there is none: then the directory has a new entry. It rewrites those that there are.
for seed in /var/lib/random-seed /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/misc/random-seed
do
  directory=${seed%/*}
  if [ -f "$seed" ] && changed_now %Y "$directory"; then
    rm "$seed"
    if [ "$directory" != /var/lib ] && changed_now %Y /var/lib; then rmdir "$directory" 2>/dev/null || :; fi
  fi
done

# With network, libguestfs moves the image's resolv.conf away while a command runs, and back after it. The file is
# known by its new name of eight characters; what a script makes of resolv.conf then goes there (see `run`).
for name in /etc/????????; do
  if { [ -L "$name" ] || [ -f "$name" ]; } && changed_now %Z "$name"; then
    stat -c %i "$name" >"$ram/resolv.inode"
  fi
done

# No service may start during the build.
if command -v dpkg >/dev/null; then
  if [ -e /usr/sbin/policy-rc.d ] || [ -L /usr/sbin/policy-rc.d ]; then
    mv -T /usr/sbin/policy-rc.d /.goldsmith/policy-rc.d
  fi
  printf '#!/bin/sh\n# goldsmith: while the image is built\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 0755 /usr/sbin/policy-rc.d
  cp /usr/sbin/policy-rc.d "$ram/policy-rc.d"
fi
"""

_GROW = r"""
# The disk is larger than the base's: the root partition and its file system take the new space.
grow() {
  root=$(while read -r device point _; do [ "$point" != / ] || echo "$device"; done </proc/mounts | tail -n 1)
  case $root in
    /dev/[sv]d[a-z][0-9]*) ;;
    *) echo "the root file system is on ${root:-an unknown device}, which is no partition"; return 1 ;;
  esac
  number=${root##*[a-z]}
  disk=${root%"$number"}
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
  echo ', +' | sfdisk -q --force --no-reread --no-tell-kernel -N "$number" "$disk" || return 1
  partx -u --nr "$number" "$disk" || return 1
  case $(stat -f -c %T /) in
    ext2/ext3) resize2fs "$root" ;;
    xfs) xfs_growfs / ;;
    btrfs) btrfs filesystem resize max / ;;
    *) echo "file systems of this type cannot be grown: $(stat -f -c %T /)"; return 1 ;;
  esac
}
if ! grow >"$ram/log/grow" 2>&1; then
  echo "begin the root partition was not grown: $(grep -v '^ *$' "$ram/log/grow" | tail -n 1)" >>"$ram/warnings"
fi
"""

_RUN_REST = r"""
number=$1
script=@STAGED@/scripts/$number
log=$ram/log/$number
mark "$number"

resolver() { readlink /etc/resolv.conf || cat /etc/resolv.conf; }
resolver >"$ram/resolv.before" 2>/dev/null || :

status=0
if [ -n "${2:-}" ]; then
  timeout --kill-after=10 "$2" sh -eu "$script" </dev/null >"$log" 2>&1 || status=$?
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then status=timeout; fi
else
  sh -eu "$script" </dev/null >"$log" 2>&1 || status=$?
fi
if [ "$status" != 0 ]; then
  printf '%s %s\n' "$number" "$status" >"$ram/failed"
  write_report
  exit 1
fi

resolver >"$ram/resolv.after" 2>/dev/null || :
if ! cmp -s "$ram/resolv.before" "$ram/resolv.after"; then
  away=
  if [ -e "$ram/resolv.inode" ]; then
    away=$(find /etc -maxdepth 1 -name '????????' -inum "$(cat "$ram/resolv.inode")")
  fi
  if [ -n "$away" ] && { [ -L /etc/resolv.conf ] || [ -e /etc/resolv.conf ]; }; then
    rm "$away"
    cp -P -p /etc/resolv.conf "$away"
    stat -c %i "$away" >"$ram/resolv.inode"
  elif [ @NETWORK@ = 1 ]; then
    echo "$number changed /etc/resolv.conf, but libguestfs put it back when the script had ended" >>"$ram/warnings"
  fi
fi
"""

_END_REST = r"""
mark end
packages >"$ram/packages-after"
if [ -e /etc/os-release ]; then cat /etc/os-release >"$ram/os-release"; fi

if [ -e "$ram/machine-id" ]; then
  # A package that came in may have taken the build's id over.
  if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ] &&
    cmp -s /var/lib/dbus/machine-id "$ram/machine-id"; then
    ln -sfT /etc/machine-id /var/lib/dbus/machine-id
  fi
  if cmp -s /etc/machine-id "$ram/machine-id"; then : >/etc/machine-id; fi
fi
if [ -e "$ram/policy-rc.d" ] && cmp -s /usr/sbin/policy-rc.d "$ram/policy-rc.d"; then
  rm /usr/sbin/policy-rc.d
  if [ -e @PRIVATE@/policy-rc.d ] || [ -L @PRIVATE@/policy-rc.d ]; then
    mv -T @PRIVATE@/policy-rc.d /usr/sbin/policy-rc.d
  fi
fi

write_report
umount -l @RAM@
rm -rf --one-file-system @PRIVATE@
sync
"""


def _filled(text: str, **values: str) -> str:
    """``text`` with each ``@NAME@`` replaced."""
    constants = {"PRIVATE": PRIVATE, "RAM": RAM, "UPLOADS": UPLOADS, "STAGED": STAGED}
    for name, value in {**constants, "BLOCK": str(BLOCK), "LOG_LIMIT": str(LOG_LIMIT), **values}.items():
        text = text.replace(f"@{name}@", value)
    return text


def begin_script(magic: str, *, grow: bool) -> str:
    """Prepare the image. ``magic`` is the first line of the report disk; ``grow``: the disk is larger than before."""
    text = "set -eu\n" + _ENVIRONMENT + _BEGIN + _LIBRARY + _BEGIN_REST + (_GROW if grow else "")
    return _filled(text, MAGIC=shlex.quote(magic))


def run_script(*, network: bool) -> str:
    """Carry out the staged script of a number, ``$1``, within ``$2`` seconds; its output goes to the report."""
    return _filled("set -u\n" + _ENVIRONMENT + _LIBRARY + _RUN_REST, NETWORK="1" if network else "0")


def end_script() -> str:
    """Put back what the build changed for its own sake, and write the report."""
    return _filled("set -eu\n" + _ENVIRONMENT + _LIBRARY + _END_REST)


def require_directory(dest: str) -> str:
    """A script that fails, in words, when the directory of ``dest`` does not exist."""
    directory = shlex.quote(dest.rpartition("/")[0] or "/")
    return (
        f"if [ ! -d {directory} ]; then\n"
        f"  printf '%s\\n' {shlex.quote('the directory of ' + dest + ' does not exist in the image')} >&2\n"
        f"  exit 1\n"
        f"fi\n"
    )


def place_file(source: str, dest: str, mode: str, owner: str, group: str) -> str:
    """A script that gives a file of the private directory its place, replacing a file or link that is there."""
    own, of = shlex.quote(f"{owner}:{group}"), shlex.quote(dest)
    return f"chown {own} {source}\nchmod {shlex.quote(mode)} {source}\nmv -f -T -- {source} {of}\n"
