# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file deleted with its data."""

from __future__ import annotations

import shlex

from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail, require_file
from ..values import file_path


def _check(options: Options) -> Options:
    return {"path": file_path("path", options["path"])}


def _render(options: Options) -> tuple[Operation, ...]:
    path = options["path"]
    where = shlex.quote(path)
    is_link = fail(f"{path} is a symbolic link in the image", "name the file that it leads to")
    script = f"[ ! -L {where} ] || {is_link}\n{require_file(path)}"
    # Zeros last: random data would stay in the image that is published, and cannot be compressed.
    return (Run(f"{script}shred -u -n 1 -z -- {where}\n"),)


KIND = StepKind(
    name="scrub",
    description="""
        Overwrite a file, then delete it, so that its data cannot be read from the image's disk. Directories and
        symbolic links are refused.

        It overwrites the blocks that the file has now. Older copies of the data may lie elsewhere: where an editor or
        a package replaced the file, in the journal of a file system mounted with C(data=journal), on file systems that
        never write in place such as btrfs and ZFS, and in the base, which stays as it is. Better than scrubbing a
        secret is not to put it in.
    """,
    options={"path": {"type": "str", "required": True, "description": "Absolute path of a file that exists."}},
    check=_check,
    render=_render,
    example="""
        - scrub:
            path: /root/enrolment-token
    """,
)
