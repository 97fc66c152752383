# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the distribution."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ...common.errors import BadRequestError
from .. import apt
from ..model import Options, StepKind
from ..operations import Operation, Run

_LISTS = ("install", "remove", "purge", "hold", "unhold")
_CONTRADICTIONS = (
    ("install", "remove", "both installed and removed"),
    ("install", "purge", "both installed and purged"),
    ("remove", "purge", "both removed and purged, which removes as well"),
    ("hold", "unhold", "both held and not"),
)


def _check(options: Options) -> Options:
    for option in ("install", "remove", "purge"):
        apt.packages(option, options[option])
    for option in ("hold", "unhold"):
        apt.plain_packages(option, options[option])
    for one, other, told in _CONTRADICTIONS:
        both = sorted(set(options[one]) & set(options[other]))
        if both:
            raise BadRequestError(f"{', '.join(both)} cannot be {told}")
    if options["upgrade"] == "no" and not options["autoremove"] and not any(options[name] for name in _LISTS):
        raise BadRequestError("there is nothing to do", f"Give {', '.join(_LISTS)}, upgrade or autoremove")
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    recommends = options["recommends"]
    fetches = bool(options["install"]) or options["upgrade"] != "no"
    script = apt.BEGIN
    if fetches:
        script += apt.UPDATE
    if options["unhold"]:
        script += f"apt-mark {apt.LITERAL} unhold -- {shlex.join(options['unhold'])}\n"
    for verb in ("remove", "purge"):
        if options[verb]:
            script += _remove(verb, options[verb])
    if options["upgrade"] == "yes":
        script += apt.apt_get("upgrade --with-new-pkgs\n", recommends=recommends)
    elif options["upgrade"] == "dist":
        script += apt.apt_get("dist-upgrade\n", recommends=recommends)
    if options["install"]:
        script += apt.install(options["install"], recommends=recommends)
    if options["autoremove"]:
        script += apt.apt_get("autoremove\n")
    if options["hold"]:
        script += _hold(options["hold"])
    return (Run(script + apt.END, network=fetches),)


def _remove(verb: str, names: Sequence[str]) -> str:
    """Remove what is there: without package lists, apt-get fails for names that are not installed."""
    gone = "not-installed|config-files" if verb == "remove" else "not-installed"
    return f"""\
set --
for name in {shlex.join(names)}; do
    state=installed
    case $name in
        *^*) ;;
        *)
            form='${{db:Status-Status}}\n'
            state=$(dpkg-query --show --showformat "$form" -- "${{name%%[=/]*}}" 2>/dev/null) || state=not-installed
            ;;
    esac
    case $state in
        {gone}) echo "$name is not installed" ;;
        *) set -- "$@" "$name" ;;
    esac
done
[ "$#" = 0 ] || {apt.apt_get(verb, "--", '"$@"')}
"""


def _hold(names: Sequence[str]) -> str:
    return f"""\
apt-mark {apt.LITERAL} hold -- {shlex.join(names)} || {{
    echo 'a package that neither is installed nor stands in the package lists cannot be held' >&2
    exit 100
}}
"""


KIND = StepKind(
    name="packages",
    description="""
        Remove, upgrade and install packages of Debian or Ubuntu, in this order, from the repositories that the image
        knows. The step C(apt_repository) adds one.

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
            "description": """
                Packages to remove. Their configuration files stay. One that is not installed is no error.
            """,
        },
        "purge": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Packages to remove together with their configuration files.",
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
        "autoremove": {
            "type": "bool",
            "default": False,
            "description": "Whether packages that were installed for others, and are needed no more, are removed.",
        },
        "hold": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": """
                Packages that no upgrade changes from now on, until somebody asks for that (C(apt-mark hold)). It is
                done at the end of the step.
            """,
        },
        "unhold": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Packages that upgrades may change again. It is done at the beginning of the step.",
        },
    },
    example="""\
- packages:
    upgrade: dist
    install: [qemu-guest-agent, chrony]
    purge: [snapd]
    autoremove: true
- packages:
    install: [nginx=1.24.0-2ubuntu7]
    hold: [nginx]
""",
    check=_check,
    render=_render,
)
