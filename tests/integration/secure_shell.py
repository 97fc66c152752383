# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build host that is reached by ssh: this machine, seen without the controller's directories.

ssh starts an sshd for each connection, with keys and settings of its own and in a mount namespace of its own: nothing
listens, nothing is left, and what does not travel by ssh is not there.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_PRIVILEGE_SEPARATION = Path("/run/sshd")
_SETTINGS = """\
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
StrictModes no
UsePAM {pam}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
PidFile none
"""


@contextlib.contextmanager
def remote_host(directory: Path, hidden: Sequence[Path]) -> Iterator[dict[str, str]]:
    """The variables of the host for an inventory; root logs in.

    :arg directory: for keys and settings, on a path without blanks, outside of ``hidden``.
    :arg hidden: directories that are empty on the host.
    """
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    host_key = (directory / "host_key.pub").read_text()
    (directory / "known_hosts").write_text(f"build-host {host_key}")
    (directory / "sshd_config").write_text(_SETTINGS.format(directory=directory, pam="yes" if _locked() else "no"))
    connect = directory / "connect"
    mounts = "".join(f"mount -t tmpfs tmpfs '{path}'\n" for path in hidden)
    connect.write_text(f"#!/bin/sh\nset -e\n{mounts}exec /usr/sbin/sshd -i -f {directory}/sshd_config\n")
    connect.chmod(0o700)
    options = {
        "ProxyCommand": f"unshare --mount {connect}",
        "UserKnownHostsFile": directory / "known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
    }
    with _privilege_separation():
        yield {
            "ansible_connection": "ssh",
            "ansible_host": "build-host",
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(directory / "user_key"),
            "ansible_ssh_common_args": " ".join(["-F none", *(f'-o "{key}={options[key]}"' for key in options)]),
            # No master connection that outlives the play.
            "ansible_ssh_args": "-o ControlMaster=no",
        }


@contextlib.contextmanager
def _privilege_separation() -> Iterator[None]:
    """The directory that sshd wants, and that its service makes where it runs."""
    ours = not _PRIVILEGE_SEPARATION.exists()
    if ours:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    try:
        yield
    finally:
        if ours:
            _PRIVILEGE_SEPARATION.rmdir()


def _locked() -> bool:
    """Whether root has a locked password, with which sshd lets root in by way of PAM only."""
    entry = next(line for line in Path("/etc/shadow").read_text().splitlines() if line.startswith("root:"))
    return entry.split(":")[1].startswith("!")
