# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps that run something of the user's share: where, with which environment, and for how long."""

from __future__ import annotations

import re
import shlex
import typing as t
from collections.abc import Mapping

from ..common.errors import BadRequestError
from .model import Options
from .operations import Run
from .shell import require_directory
from .values import absolute_path

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRETS = "secrets"
_FILES = "FILES"

COMMAND_OPTIONS: Mapping[str, Mapping[str, t.Any]] = {
    "chdir": {
        "type": "str",
        "description": "Directory of the image to run it in. Without it that is C(/).",
    },
    "environment": {
        "type": "dict",
        "description": """
            Environment variables. They stand in the build record.

            Without more than this, C(PATH), C(HOME=/root), C(LC_ALL=C.UTF-8) and C(DEBIAN_FRONTEND=noninteractive) are
            set.
        """,
    },
    "secrets": {
        "type": "dict",
        "no_log": True,
        "description": """
            Further environment variables, whose values stand in no log, no argument list and no record, and are masked
            in the output. They are there for this step alone.

            What is run has to take care itself that it leaves none of them in the image, and the audit of the image
            looks for them, unless O(in_image) says that they belong there.
        """,
    },
    "in_image": {
        "type": "bool",
        "default": False,
        "description": "Whether the values of O(secrets) may stay in the image.",
    },
    "timeout": {
        "type": "int",
        "description": "Seconds that it may take, within the time for the whole build.",
    },
    "network": {
        "type": "bool",
        "default": True,
        "description": "Whether it needs the network.",
    },
}


def checked_command(options: Options) -> dict[str, t.Any]:
    """Options with those of :data:`COMMAND_OPTIONS` checked."""
    checked = dict(options)
    if options.get("timeout", 1) < 1:
        raise BadRequestError(f"timeout has to be at least 1 second and is {options['timeout']}")
    if "chdir" in options:
        checked["chdir"] = absolute_path("chdir", options["chdir"])
    for option in ("environment", "secrets"):
        if option in options:
            checked[option] = _checked_variables(option, options[option])
    both = sorted(set(checked.get("environment", ())) & set(checked.get("secrets", ())))
    if both:
        raise BadRequestError(f"{', '.join(both)} stands in both environment and secrets", "Leave it out of one")
    return checked


def run_command(options: Options, command: str, files: Mapping[str, str] | None = None) -> Run:
    """The operation that runs a piece of shell with what the options say, ``$FILES`` unset."""
    files = files or {}
    secrets = _exports(options.get("secrets", {}))
    script = require_directory(options["chdir"]) if "chdir" in options else ""
    script += _exports(options.get("environment", {}))
    if secrets:
        script += f'. "$FILES/{_SECRETS}"\n'
    if "chdir" in options:
        script += f"cd -- {shlex.quote(options['chdir'])}\n"
    return Run(
        script + command,
        files=files,
        contents={_SECRETS: secrets} if secrets else {},
        network=options["network"],
        timeout=options.get("timeout"),
    )


def _checked_variables(option: str, variables: Mapping[t.Any, t.Any]) -> dict[str, str]:
    """Names and values as text. No error shows a value."""
    checked = {}
    for name, value in variables.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise BadRequestError(
                f"{option} has {name!r}, which cannot be the name of an environment variable",
                "Use letters, digits and `_`, beginning with a letter",
            )
        if name == _FILES:
            raise BadRequestError(
                f"{option} has {name}, by which the step finds its own files", "Choose another name for it"
            )
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise BadRequestError(f"{option}.{name} is not text", "Quote it: YAML reads yes, no and ~ otherwise")
        if "\0" in str(value):
            raise BadRequestError(f"{option}.{name} has a NUL byte, which an environment variable cannot hold")
        checked[name] = str(value)
    return checked


def _exports(variables: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
