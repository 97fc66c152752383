# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that each clone installs at its first boot."""

from __future__ import annotations

import shlex

from ...common.errors import BadRequestError
from .. import apt, firstboot
from ..model import Options, StepKind
from ..operations import Operation

_SECONDS = 1800


def _check(options: Options) -> Options:
    if not options["packages"]:
        raise BadRequestError("packages is empty", "Name at least one package")
    packages = apt.packages("packages", options["packages"])
    return {**options, "name": firstboot.name(options["name"]), "packages": packages}


def _render(options: Options) -> tuple[Operation, ...]:
    packages = shlex.join(options["packages"])
    lock = ("-o", f"DPkg::Lock::Timeout={_SECONDS}")
    install = apt.apt_get(*lock, "install", "--", packages, recommends=options["recommends"])
    # The timeout is for dpkg's lock. The one of the lists has none: another update at work makes this one fail.
    script = f"""\
#!/bin/sh -e
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
missing=no
for package in {packages}; do
    [ "$(dpkg-query -W -f '${{db:Status-Status}}' "$package" 2>/dev/null)" = installed ] || missing=yes
done
[ "$missing" = yes ] || exit 0
tries=0
until apt-get --quiet update -o APT::Update::Error-Mode=any; do
    tries=$((tries + 1))
    if [ "$tries" -ge 10 ]; then
        echo 'apt-get update failed ten times: packages would come from an old list, or none'
        exit 100
    fi
    sleep 15
done
{install}
"""
    return (firstboot.install(options["name"], text=script),)


KIND = StepKind(
    name="firstboot_install",
    description=f"""
        Have each clone install packages at its first boot, after refreshing the package lists. It waits up to half an
        hour for another package manager to end, and services that come with the packages start. Where all of them are
        installed by then, it does nothing.

        What every clone needs is better installed in the image, by C(packages): then a clone starts sooner, and does
        not depend on the repositories at that time.
{firstboot.WHEN}
    """,
    options={
        "name": {**firstboot.NAME_OPTION, "default": "install"},
        "packages": {
            "type": "list",
            "elements": "str",
            "required": True,
            "description": "Packages as C(apt-get) takes them: V(nginx), V(nginx=1.24.0-2).",
        },
        "recommends": {
            "type": "bool",
            "default": False,
            "description": "Whether packages that others recommend are installed with them.",
        },
    },
    check=_check,
    render=_render,
    example="""\
- firstboot_install:
    packages: [linux-tools-virtual]
""",
)
