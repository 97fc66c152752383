# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages from files."""

from __future__ import annotations

from ...common.errors import BadRequestError
from .. import apt
from ..model import FILE, Options, StepKind
from ..operations import Operation, Run
from ..values import REMOTE_SRC_OPTION, single_line


def _check(options: Options) -> Options:
    if not options["src"]:
        raise BadRequestError("src is empty", "Name at least one file")
    for source in options["src"]:
        single_line("src", source)
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    # apt takes for a file what has a slash in it, and for a package what ends in .deb.
    files = {f"{number}.deb": path for number, path in enumerate(options["src"], start=1)}
    given = " ".join(f'"$FILES/{name}"' for name in files)
    flags = ["--allow-downgrades"] if options["allow_downgrade"] else []
    # apt's own user cannot read the directory, as nobody but root can.
    get = apt.apt_get("--option APT::Sandbox::User=root", *flags, "install", given, recommends=options["recommends"])
    script = f"""\
{apt.BEGIN}number=0
for file in {given}; do
    number=$((number + 1))
    printf 'file %s of src is ' "$number"
    dpkg-deb --show -- "$file" || {{
        echo "file $number of src is not a Debian package" >&2
        exit 1
    }}
done
{apt.UPDATE}{get}
"""
    return (Run(script + apt.END, files=files, network=True),)


KIND = StepKind(
    name="deb",
    description="""
        Install packages from files, all of them at once, with what they depend on from the repositories that the image
        knows. Otherwise it is as in C(packages).
    """,
    options={
        "src": {
            "type": "list",
            "elements": "str",
            "required": True,
            "description": "The C(.deb) files. They are found as in C(upload), and travel only when they have to.",
        },
        "remote_src": REMOTE_SRC_OPTION,
        "recommends": {
            "type": "bool",
            "default": False,
            "description": "Whether packages that others recommend are installed with them.",
        },
        "allow_downgrade": {
            "type": "bool",
            "default": False,
            "description": "Whether a newer version that is installed may be replaced by an older one.",
        },
    },
    files={"src": FILE},
    example="""\
- deb:
    src: [falcon-sensor_7.10.0-16303_amd64.deb]
""",
    check=_check,
    render=_render,
)
