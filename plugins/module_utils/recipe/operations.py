# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What steps come down to, and every engine can do: small things, each with one clear effect inside the image."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Upload:
    """Put a file of the host into the image, replacing what is there. The directory of ``dest`` has to exist."""

    source: str
    dest: str
    mode: str = "0644"
    """Octal, as in ``"0644"``."""
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class Write:
    """Put a file with this content into the image, replacing what is there. The directory of ``dest`` has to exist."""

    content: str
    dest: str
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class Run:
    """Run a POSIX shell script as root inside the image's system; a failing command ends the build."""

    script: str
    """Without ``#!`` line; engines run it with ``sh -eu``."""
    network: bool = False
    """Whether it needs the network."""
    timeout: int | None = None
    """Seconds."""


@dataclass(frozen=True)
class SetHostname:
    """The host name, written as the image's distribution does."""

    hostname: str


@dataclass(frozen=True)
class SetTimezone:
    """The time zone, a name of the tz database such as ``Europe/Oslo``."""

    timezone: str


@dataclass(frozen=True)
class InjectSshKey:
    """Append a public key to the ``authorized_keys`` of a user that exists in the image."""

    user: str
    key: str


Operation = t.Union[Upload, Write, Run, SetHostname, SetTimezone, InjectSshKey]


@dataclass(frozen=True)
class StepOperations:
    """A step as engines see it."""

    index: int
    """From 1, as users count."""
    step: str
    """The step's type, such as ``packages``."""
    label: str
    """What logs and errors call it: ``3 (packages)``."""
    operations: tuple[Operation, ...]
