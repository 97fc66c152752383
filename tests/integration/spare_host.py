# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of this machine that lasts for one run of ansible-playbook. What a role changes there, this one never sees.

Its root is an overlay over this machine's, its ``/dev`` has a ``/dev/kvm`` that belongs to a group kvm. It shares the
directory for temporary files, and the network.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from .plays import PLAYBOOK

_SCRIPT = """\
#!/bin/sh
# Everything is private to the mount namespace, and gone with it.
set -eu
exec unshare --mount --pid --fork --kill-child sh -eu -c '
    mount -t tmpfs spare @SPARE@
    mkdir @SPARE@/upper @SPARE@/work @SPARE@/root
    mount -t overlay -o lowerdir=/,upperdir=@SPARE@/upper,workdir=@SPARE@/work overlay @SPARE@/root
    cd @SPARE@/root
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount -t tmpfs -o mode=0755 dev dev
    mkdir dev/shm dev/pts
    mount -t tmpfs -o mode=1777 shm dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    for device in null zero full random urandom tty; do
        touch dev/$device
        mount --bind /dev/$device dev/$device
    done
    getent group kvm >/dev/null || groupadd --system --root @SPARE@/root kvm
    mknod -m 0660 dev/kvm c 10 232
    chgrp "$(getent group kvm | cut -d: -f3)" dev/kvm
    mount --bind @SHARED@ .@SHARED@
    @PREPARE@
    exec chroot . "$@"
' sh @PROGRAM@ "$@"
"""


def spare_host(directory: Path, prepare: str = ":") -> Path:
    """A program to use for ansible-playbook, which runs on the copy.

    :arg prepare: shell commands that are carried out before it, in the root directory of the copy.
    """
    mountpoint = directory / "spare"
    mountpoint.mkdir(parents=True)
    program = directory / "ansible-playbook"
    values = {"SPARE": mountpoint, "SHARED": tempfile.gettempdir(), "PREPARE": prepare, "PROGRAM": PLAYBOOK}
    text = _SCRIPT
    for name, value in values.items():
        assert "'" not in str(value)
        text = text.replace(f"@{name}@", str(value))
    program.write_text(text)
    program.chmod(0o755)
    return program
