# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of :mod:`.guest_scripts` that leave an image's identity as the base had it."""

from __future__ import annotations

NOTE_IDENTITY = r"""
# systemd tells a machine-id that is absent, empty or `uninitialized` from each other. virt-customize fills an empty
# one, which stays while packages are installed.
read_id() {
  id=
  if [ -f "$1" ]; then read -r id <"$1" || :; fi
}
machine_id=kept
if [ ! -e /etc/machine-id ] && [ ! -L /etc/machine-id ]; then
  machine_id=absent
elif [ ! -L /etc/machine-id ]; then
  read_id /etc/machine-id
  case $id in
    uninitialized) machine_id=uninitialized ;;
    '') machine_id=empty ;;
    *) if changed_now /etc/machine-id; then machine_id=empty; fi ;;
  esac
fi
dbus_id=kept
read_id /var/lib/dbus/machine-id
case $id in '' | uninitialized) dbus_id=none ;; esac
if [ -L /var/lib/dbus/machine-id ]; then dbus_id=none; fi

# virt-customize makes a random seed where there is none: then the directory has a new entry. It rewrites those that
# there are.
for seed in /var/lib/random-seed /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/misc/random-seed
do
  directory=${seed%/*}
  if [ -f "$seed" ] && changed_now "$directory"; then
    rm "$seed"
    if [ "$directory" != /var/lib ] && changed_now /var/lib; then rmdir "$directory" 2>/dev/null || :; fi
  fi
done
"""

RESTORE_IDENTITY = r"""
# An id where the base had none is the build's: virt-customize's, or that of a package such as systemd or dbus. All
# clones would share it.
if [ "$machine_id" != kept ]; then
  read_id /etc/machine-id
  case $id in
    '' | uninitialized) ;;
    *)
      if [ "$machine_id" = absent ] || [ -L /etc/machine-id ]; then rm /etc/machine-id; fi
      case $machine_id in
        empty) : >/etc/machine-id ;;
        uninitialized) echo uninitialized >/etc/machine-id ;;
      esac
      ;;
  esac
  if [ "$dbus_id" != kept ] && [ ! -L /var/lib/dbus/machine-id ]; then
    read_id /var/lib/dbus/machine-id
    # What dbus itself has there in an image without an id.
    case $id in '' | uninitialized) ;; *) ln -sfT /etc/machine-id /var/lib/dbus/machine-id ;; esac
  fi
fi
"""
