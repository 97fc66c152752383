# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's configuration, as Debian and Ubuntu make it: files in /etc/default/grub.d, and update-grub.

grub-mkconfig(8) reads these files as shell, in their order, after /etc/default/grub.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from .shell import fail

CONFIGURATION = "/boot/grub/grub.cfg"

# update-grub writes root=UUID=… only where udev has made this link, and root=/dev/sda1 otherwise, which no machine has
# whose disk is called in another way.
UPDATE = f"""\
device=$(grub-probe --target=device /) && uuid=$(grub-probe --target=fs_uuid /) ||
    {fail("GRUB cannot tell which device and file system the root is on, and so update-grub would fail")}
if [ -n "$uuid" ] && [ ! -e "/dev/disk/by-uuid/$uuid" ]; then
    mkdir -p /dev/disk/by-uuid
    ln -s "$device" "/dev/disk/by-uuid/$uuid"
fi
update-grub
"""


def default_kernel(version: str) -> str:
    """A file of /etc/default/grub.d that makes this kernel the one that is booted, whichever others are newer."""
    return f"kernel={shlex.quote(version)}\n{_DEFAULT}"


def default_flavour(flavour: str) -> str:
    """The same for the newest kernel of a flavour, such as ``generic``: also when a newer one is installed one day."""
    # Either 6.8.0-45-generic or, since Debian 13, 6.12.43+deb13-amd64.
    literal = re.sub("[.+]", r"[\g<0>]", flavour)
    pattern = f"[0-9][^-]*-([0-9][^-]*-)?{literal}"
    script = f"s/^vmlinu[xz]-({pattern})$/\\1/p"
    return f"kernel=$(ls /boot | sed -En {shlex.quote(script)} | sort -V | tail -n 1)\n{_DEFAULT}"


# The entries' names are those of /etc/grub.d/10_linux. Where GRUB finds none of this name it boots the first.
_DEFAULT = """\
if [ -n "$kernel" ] && [ -e "/boot/vmlinuz-$kernel" ]; then
    GRUB_DEFAULT="gnulinux-$kernel-advanced-${GRUB_DEVICE_UUID:-${GRUB_DEVICE-}}"
    case ${GRUB_DISABLE_SUBMENU-} in
        y | yes | true) ;;
        *) GRUB_DEFAULT="gnulinux-advanced-${GRUB_DEVICE_UUID:-${GRUB_DEVICE-}}>$GRUB_DEFAULT" ;;
    esac
fi
unset kernel
"""


def command_line(append: Sequence[str], remove: Sequence[str], *, linux_default: bool) -> str:
    """A file of /etc/default/grub.d that changes the kernel's command line.

    :arg remove: arguments; one without ``=`` goes with any value.
    :arg linux_default: append where recovery entries do not have it.
    """
    text, kept = "", '"${{{0}-}}"'
    if remove:
        patterns = [shlex.quote(word) for word in remove]
        patterns += [f"{shlex.quote(word + '=')}*" for word in remove if "=" not in word]
        text = f"""\
goldsmith_kept() {{
    set -f
    for argument in $1; do
        case $argument in
            {" | ".join(patterns)}) ;;
            *) printf '%s ' "$argument" ;;
        esac
    done
}}
"""
        kept = '"$(goldsmith_kept "${{{0}-}}")"'
    for variable in ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"):
        added = append if (variable == "GRUB_CMDLINE_LINUX_DEFAULT") == linux_default else ()
        if added or remove:
            text += f"{variable}={kept.format(variable)}{shlex.quote(' ' + ' '.join(added)) if added else ''}\n"
    return text
