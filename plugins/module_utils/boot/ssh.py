# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in to the guest by OpenSSH, with keys of the run and nothing of the user's."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..common.errors import CommandError
from ..common.host import Completed, Host
from .model import HostKey
from .place import refusal as refused
from .qemu import LOOPBACK

PACKAGE = "openssh-client"


def make_key(host: Host, path: str) -> str:
    """Make a key pair at ``path`` and ``path.pub``; returns the public one. Raises MissingProgramError."""
    program = host.require("ssh-keygen", PACKAGE)
    host.run([program, "-q", "-t", "ed25519", "-N", "", "-C", "goldsmith-boot", "-f", path], stdin="").checked()
    with open(f"{path}.pub", encoding="ascii") as file:
        return file.read().strip()


def write_known_hosts(path: str, port: int, keys: Sequence[HostKey]) -> None:
    """Let ssh know the guest by the host keys that it reported."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"[{LOOPBACK}]:{port} {key.key}\n" for key in keys)
    except OSError as error:
        raise refused(path, error) from error


def options(known_hosts: str) -> list[str]:
    """The options that keep ssh from everything of the user's, and from any host keys but those of the run."""
    settings = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": f'"{known_hosts}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ControlMaster": "no",
        "ControlPath": "none",
        "LogLevel": "ERROR",
    }
    return ["-F", "none", *(word for name in settings for word in ("-o", f"{name}={settings[name]}"))]


def run(host: Host, files: Credentials, port: int, user: str, command: str, timeout: float) -> Completed:
    """Run a command in the guest. Raises CommandError when that takes longer than ``timeout`` seconds."""
    program = host.require("ssh", PACKAGE)
    argv = [program, *options(files.known_hosts), "-i", files.key_file, "-o", f"ConnectTimeout={int(timeout)}"]
    return host.run([*argv, "-p", str(port), f"{user}@{LOOPBACK}", "--", command], stdin="", timeout=timeout)


def refusal(host: Host, files: Credentials, port: int, user: str, machine_id: str, timeout: float) -> str:
    """Why ``user`` cannot log in to the guest with this machine-id; ``""`` where that works."""
    try:
        done = run(host, files, port, user, "cat /etc/machine-id", timeout)
    except CommandError:
        return f"no answer within {int(timeout)} seconds"
    if done.rc != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"ssh ended with exit status {done.rc}").splitlines()
        return said[-1]
    if done.stdout.strip() != machine_id:
        return f"another guest answered, with the machine-id {done.stdout.strip()}"
    return ""


class Credentials:
    """The files by which the guest and the host know each other, in the run's own directory."""

    def __init__(self, directory: str) -> None:
        self.key_file = os.path.join(directory, "id_ed25519")
        self.known_hosts = os.path.join(directory, "known_hosts")
