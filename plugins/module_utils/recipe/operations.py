# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What steps come down to, and every engine can do: small things, each with one clear effect inside the image."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field


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
    """Without ``#!`` line; engines run it with ``sh -eu``, in ``/``. What follows is in the directory ``$FILES``."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files of the host, by the name that each has in ``$FILES``."""
    contents: Mapping[str, str] = field(default_factory=dict)
    """Texts, by the name that each has in ``$FILES``. Like the script they never reach the image's disk."""
    network: bool = False
    """Whether it needs the network."""
    timeout: int | None = None
    """Seconds."""


Operation = t.Union[Upload, Write, Run]


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
    timeout: int | None = None
    """Seconds for the whole step."""
    secrets: frozenset[str] = frozenset()
    """Texts that no log and no error may show."""
