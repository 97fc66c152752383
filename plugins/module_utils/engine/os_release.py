# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What system an image holds, by libguestfs, which does not change it."""

from __future__ import annotations

import os

from ..common.errors import BadRequestError, CommandError
from ..common.host import Host
from ..common.os_release import parse_os_release
from ..disk import qemu_img
from . import failure, launching

_PROGRAM = "virt-cat"
_FILES = ("/usr/lib/os-release", "/etc/os-release")
"""The second counts where it is there. Mostly it is a link to the first."""
_SECONDS = 600


def read(host: Host, disk: str, environ: dict[str, str]) -> dict[str, str]:
    """The image's os-release, in one launch. Raises a GoldsmithError when there is none."""
    program = host.which(_PROGRAM)
    if program is None:
        raise failure.missing_program(_PROGRAM)
    disk_format = qemu_img.inspect(host, disk).format
    argv = [program, "--keys-from-stdin", "--format", disk_format, "-a", os.path.abspath(disk), *_FILES]
    try:
        done = launching.run(host, argv, environ=environ, stdin="", timeout=_SECONDS)
    except CommandError as error:
        raise CommandError(
            f"{disk} could not be looked into: the appliance was stopped after {_SECONDS} seconds", failure.SELF_TEST
        ) from error
    # It goes on where one of the files is not there, and then ends with an error.
    found = parse_os_release(done.stdout)
    if found:
        return found
    if "No such file or directory" in done.stderr:
        raise BadRequestError(
            f"the system in {disk} does not say what it is: it has neither /etc/os-release nor /usr/lib/os-release",
            "Use the image of a system that has one, such as Debian and Ubuntu",
        )
    raise failure.not_launched(_PROGRAM, done.rc, done.stderr)
