# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the distribution."""

from __future__ import annotations

import re
import shlex

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run

# Names as in Debian Policy 5.6.1, with apt-get's own suffixes for architecture, task, version and release.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?\^?(?:[=/][A-Za-z0-9.+:~-]+)?")

_APT_GET = (
    "apt-get --quiet --assume-yes --option Dpkg::Use-Pty=0"
    " --option Dpkg::Options::=--force-confdef --option Dpkg::Options::=--force-confold"
)

_BEGIN = """\
command -v apt-get >/dev/null || {
    echo 'the image has no apt-get: the step packages is for Debian, Ubuntu and their relatives' >&2
    exit 1
}
# Without translations, because the output is searched; needrestart(1) is an apt hook of Ubuntu.
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
had_lists=no
for list in /var/lib/apt/lists/*_Packages* /var/lib/apt/lists/*Release; do
    if [ -e "$list" ]; then had_lists=yes; fi
done
"""

# apt-get update takes failures that may pass for warnings; Error-Mode=any, since apt 2.1, makes them errors.
# Older versions do not know it, and say what happened in their output only.
UPDATE = """\
said=$(mktemp)
updated=yes
apt-get --quiet update --option APT::Update::Error-Mode=any >"$said" 2>&1 || updated=no
cat "$said"
for sign in 'E: ' 'Err:' 'W: Failed to fetch ' 'W: Some index files failed ' 'W: An error occurred during '
do
    if grep -q "^$sign" "$said"; then updated=no; fi
done
rm -f "$said"
if [ "$updated" = no ]; then
    echo 'apt-get update failed: packages would come from an old list, or none' >&2
    exit 100
fi
"""

_END = """\
apt-get clean
if [ "$had_lists" = no ]; then
    find /var/lib/apt/lists -mindepth 1 -maxdepth 1 ! -name lock ! -name partial ! -name auxfiles -exec rm -rf {} +
fi
"""


def _check(options: Options) -> Options:
    for option in ("install", "remove"):
        for name in options[option]:
            if not _PACKAGE.fullmatch(name):
                raise BadRequestError(
                    f"{option} has {name!r}, which is not the name of a package",
                    "Write names as apt-get takes them, such as nginx, nginx=1.24.0-2 or nginx/noble-backports",
                )
    both = sorted(set(options["install"]) & set(options["remove"]))
    if both:
        raise BadRequestError(f"{', '.join(both)} cannot be both installed and removed")
    if options["upgrade"] == "no" and not options["install"] and not options["remove"]:
        raise BadRequestError("there is nothing to do", "Give install, remove or upgrade")
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    get = _APT_GET if options["recommends"] else f"{_APT_GET} --no-install-recommends"
    fetches = bool(options["install"]) or options["upgrade"] != "no"
    script = _BEGIN
    if fetches:
        script += UPDATE
    if options["remove"]:
        script += f"{get} remove -- {shlex.join(options['remove'])}\n"
    if options["upgrade"] == "yes":
        script += f"{get} upgrade --with-new-pkgs\n"
    elif options["upgrade"] == "dist":
        script += f"{get} dist-upgrade\n"
    if options["install"]:
        script += f"{get} install -- {shlex.join(options['install'])}\n"
    return (Run(script + _END, network=fetches),)


KIND = StepKind(
    name="packages",
    description="""
        Remove, upgrade and install packages of Debian or Ubuntu, in this order, from the repositories that the image
        knows.

        The package lists are refreshed first, and the build stops when that fails for any of the repositories.

        Services are not started. Configuration files that were changed stay as they are. Downloaded packages are
        deleted again, and so are the package lists when the base had none.
    """,
    options={
        "install": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Packages to install, as C(apt-get) takes them: V(nginx), V(nginx=1.24.0-2).",
        },
        "remove": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Packages to remove. Their configuration files stay.",
        },
        "upgrade": {
            "type": "str",
            "choices": ["no", "yes", "dist"],
            "default": "no",
            "description": """
                V(yes) upgrades what is installed and adds packages where that needs them, such as those of a new
                kernel, but removes none.

                V(dist) may also remove packages (C(apt-get dist-upgrade)).
            """,
        },
        "recommends": {
            "type": "bool",
            "default": False,
            "description": "Whether packages that others recommend are installed with them.",
        },
    },
    check=_check,
    render=_render,
)
