# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive unpacked in the image."""

from __future__ import annotations

from ...common.errors import BadRequestError
from ..archives import unpack
from ..model import FILE, Options, StepKind
from ..operations import Operation, Run
from ..values import REMOTE_SRC_OPTION, absolute_path, account_or_id, single_line


def _check(options: Options) -> Options:
    single_line("src", options["src"])
    checked = {**options, "dest": absolute_path("dest", options["dest"])}
    for option in ("owner", "group"):
        if option in options:
            checked[option] = account_or_id(option, options[option])
    if options["strip_components"] < 0:
        raise BadRequestError(f"strip_components has to be at least 0 and is {options['strip_components']}")
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    strip = f"--strip-components={options['strip_components']} " if options["strip_components"] else ""
    owner, group = options.get("owner", ""), options.get("group", "")
    script = unpack("src", options["dest"], owner, group, options=strip, compressed=True)
    return (Run(script, files={"src": options["src"]}),)


KIND = StepKind(
    name="tar_in",
    description="""
        Unpack a tar archive below a directory of the image, with the owners, permissions and times that it has.

        The image's own tar(1) does it, and finds out whether and how the archive is compressed: by gzip, bzip2, xz or
        zstd. The image needs the program for it. Owners are those of the same name in the image, or else of the same
        number.

        Directories that the image has already keep their owner and their permissions, also the one that it is unpacked
        in, and links to directories stay links. The build stops at a name with C(..) in it.
    """,
    options={
        "src": {
            "type": "str",
            "required": True,
            "description": "The archive. It is looked for on the controller as in C(upload).",
        },
        "remote_src": REMOTE_SRC_OPTION,
        "dest": {
            "type": "str",
            "required": True,
            "description": "Absolute path of the directory of the image to unpack it in. It has to exist.",
        },
        "owner": {
            "type": "str",
            "description": "User of the image, by name or number, who owns all of it, whatever the archive has.",
        },
        "group": {"type": "str", "description": "Group of the image, by name or number, that all of it belongs to."},
        "strip_components": {
            "type": "int",
            "default": 0,
            "description": "How many directories to leave out at the beginning of each name.",
        },
    },
    files={"src": FILE},
    check=_check,
    render=_render,
    example="""
        - tar_in:
            src: files/node_exporter-1.8.2.linux-amd64.tar.gz
            dest: /usr/local/bin
            strip_components: 1
            owner: root
            group: root
    """,
)
