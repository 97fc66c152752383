# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script that each clone runs once, at its first boot."""

from __future__ import annotations

from ...common.errors import BadRequestError
from .. import firstboot
from ..model import FILE, Options, StepKind
from ..operations import Operation
from ..values import REMOTE_SRC_OPTION, single_line


def _check(options: Options) -> Options:
    if "src" in options:
        single_line("src", options["src"])
    elif not options["script"].strip() or "\0" in options["script"]:
        raise BadRequestError("script has to be a script and is empty or holds a NUL byte")
    return {**options, "name": firstboot.name(options["name"])}


def _render(options: Options) -> tuple[Operation, ...]:
    return (firstboot.install(options["name"], text=options.get("script"), src=options.get("src")),)


KIND = StepKind(
    name="firstboot",
    description=f"""
        Put in a script that runs as root, once, at the first boot of each clone.
{firstboot.WHEN}
        This is not C(virt-customize --firstboot), whose scripts run after C(network.target), when there may be no
        network yet and C(cloud-init) is still at work, and whose numbers can repeat when an image is built upon one
        that has such scripts.

        The script stands in the image and, as O(script), in the build record. A secret does not belong there.
    """,
    options={
        "name": {**firstboot.NAME_OPTION, "required": True},
        "script": {
            "type": "str",
            "description": "The script. Without a line C(#!) at its beginning it is run by C(sh -e).",
        },
        "src": {
            "type": "str",
            "description": "The same, as a file of the controller, which is found as in C(upload).",
        },
        "remote_src": REMOTE_SRC_OPTION,
    },
    files={"src": FILE},
    rules={"mutually_exclusive": [["script", "src"]], "required_one_of": [["script", "src"]]},
    check=_check,
    render=_render,
    example="""\
- firstboot:
    name: register
    script: |
      #!/bin/bash
      set -euo pipefail
      curl --fail --retry 10 --data "host=$(hostname)" https://inventory.example.com/register
""",
)
