# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed as an ISO 9660 image, whose bytes depend on the seed alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from ..common.errors import StoreError
from ..common.host import Host
from .seed import LABEL, Seed

PACKAGE = "xorriso"
_EPOCH = "946684800"
"""2000-01-01: the date of all that is in the image."""


def write_iso(host: Host, seed: Seed, path: str) -> None:
    """Write a new file, for its owner alone: a seed may hold secrets. ``path`` must not be there yet.

    Raises MissingProgramError without xorriso, CommandError where that fails, and StoreError where files cannot be
    written; then nothing is left at ``path``.
    """
    program = host.require("xorriso", PACKAGE)
    try:
        with tempfile.TemporaryDirectory(prefix="seed-", dir=host.tmpdir) as directory:
            for name, content in seed.files().items():
                _write(os.path.join(directory, name), content)
            _write(path, b"")
            try:
                host.run(
                    [
                        *(program, "-no_rc", "-as", "mkisofs", "-quiet", "-no-pad"),
                        *("-volid", LABEL, "-joliet", "-rational-rock"),
                        *("--set_all_file_dates", f"={_EPOCH}"),
                        *("-output", path, directory),
                    ],
                    environ={"SOURCE_DATE_EPOCH": _EPOCH, "TZ": "UTC"},
                    stdin="",
                ).checked()
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                raise
    except OSError as error:
        raise StoreError(
            f"{error.filename or path} cannot be written: {error.strerror or error}",
            "Use become, free some space, or choose another directory",
        ) from error


def _write(path: str, content: bytes) -> None:
    with open(path, "xb", opener=_for_the_owner_alone) as file:
        file.write(content)


def _for_the_owner_alone(path: t.Any, flags: int) -> int:
    return os.open(path, flags, 0o600)
