# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the kernel: loaded at boot, kept from loading, given options."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ...common.errors import BadRequestError
from ..drop_in import DROP_IN_NAME_OPTION, drop_in_name
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..values import single_line

_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_LISTS = ("load", "blacklist", "disable")

_INITRAMFS = """\
if command -v update-initramfs >/dev/null; then
    update-initramfs -u -k all
elif command -v dracut >/dev/null; then
    dracut --regenerate-all --force
fi
"""


def _check(options: Options) -> Options:
    checked: dict[str, t.Any] = {**options, "name": drop_in_name("name", options["name"])}
    for option in _LISTS:
        for module in options[option]:
            _module(option, module)
    checked["options"] = {
        _module("options", module): _parameters(module, value) for module, value in options["options"].items()
    }
    if not any(options[option] for option in (*_LISTS, "options")):
        raise BadRequestError("there is nothing to do", "Give load, blacklist, disable or options")
    # modprobe takes `-` and `_` for the same.
    loaded = {module.replace("-", "_") for module in options["load"]}
    for module in options["disable"]:
        if module.replace("-", "_") in loaded:
            raise BadRequestError(f"{module} cannot be both loaded and disabled", "Leave it out of load or of disable")
    if "update_initramfs" not in options:
        checked["update_initramfs"] = any(options[option] for option in ("blacklist", "disable", "options"))
    return checked


def _module(option: str, module: t.Any) -> str:
    if not isinstance(module, str) or not _MODULE.fullmatch(module):
        raise BadRequestError(
            f"{option} has {module!r}, which is not the name of a module", "Write it as lsmod does, without .ko"
        )
    return module


def _parameters(module: str, value: t.Any) -> str:
    if not isinstance(value, str):
        raise BadRequestError(
            f"the options of {module} are not text: {value!r}", "Write them in one line, such as 'nested=1 ept=1'"
        )
    text = single_line(f"options of {module}", value).strip()
    if text.endswith("\\"):
        raise BadRequestError(f"the options of {module} end in a backslash, which would continue the line")
    return text


def _modprobe(options: Options) -> Iterator[str]:
    for module in dict.fromkeys([*options["blacklist"], *options["disable"]]):
        yield f"blacklist {module}\n"
    for module in options["disable"]:
        yield f"install {module} /bin/false\n"
    for module, parameters in sorted(options["options"].items()):
        yield f"options {module} {parameters}\n"


def _render(options: Options) -> tuple[Operation, ...]:
    name = options["name"]
    contents = {
        "modules-load": "".join(f"{module}\n" for module in options["load"]),
        "modprobe": "".join(_modprobe(options)),
    }
    script = ""
    for directory, content in contents.items():
        dest = f"/etc/{directory}.d/{name}.conf"
        if content:
            script += f'mkdir -p /etc/{directory}.d\ninstall -T -m 0644 "$FILES/{directory}" {dest}\n'
        else:
            script += f"rm -f {dest}\n"
    if options["update_initramfs"]:
        script += _INITRAMFS
    return (Run(script, contents=contents),)


KIND = StepKind(
    name="kernel_modules",
    description="""
        Load modules of the kernel at boot, keep others from loading, and give modules options, by files in
        C(/etc/modules-load.d) and C(/etc/modprobe.d). Files of the same name are replaced or go.
    """,
    options={
        "name": {
            **DROP_IN_NAME_OPTION,
            "description": "Name of the files without C(.conf), such as V(database).",
        },
        "load": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Modules to load at boot.",
        },
        "blacklist": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": """
                Modules that are not loaded because hardware for them is found. They can still be loaded by name, or
                because another module needs them.
            """,
        },
        "disable": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": """
                Modules that are not loaded at all: blacklisted, and C(modprobe) runs C(/bin/false) in place of loading
                them, as the CIS benchmarks ask for.
            """,
        },
        "options": {
            "type": "dict",
            "default": {},
            "description": "Parameters by module, such as V(kvm_intel: nested=1).",
        },
        "update_initramfs": {
            "type": "bool",
            "description": """
                Whether the initial RAM disks of all kernels are made again, which have a copy of C(/etc/modprobe.d).
                Without it they are where O(blacklist), O(disable) or O(options) are given. Without KVM on the build
                host that takes minutes.
            """,
        },
    },
    check=_check,
    render=_render,
    example="""\
- kernel_modules:
    name: hardening
    load: [br_netfilter]
    disable: [cramfs, usb-storage]
    options:
      nf_conntrack: hashsize=65536
""",
)
