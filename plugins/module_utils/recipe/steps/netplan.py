# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network configuration by netplan."""

from __future__ import annotations

import typing as t

from ...common.errors import BadRequestError
from ...common.yaml_text import document, yaml_of
from ..drop_in import DROP_IN_NAME_OPTION, drop_in_name
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import require_program

# Generated below a directory of its own, from all files of the image and the new one. Nothing of it stays.
_SCRIPT = """\
export PYTHONDONTWRITEBYTECODE=1
scratch=$FILES/root
mkdir -p "$scratch/etc/netplan"
mkdir -p /etc/netplan
for file in /etc/netplan/*.yaml; do
    if [ -e "$file" ]; then install -m 0600 "$file" "$scratch/etc/netplan/"; fi
done
install -T -m 0600 "$FILES/config" "$scratch/etc/netplan/@NAME@"
if ! netplan generate --root-dir "$scratch" >"$FILES/said" 2>&1; then
    echo 'netplan does not take this configuration together with what is in /etc/netplan:' >&2
    sed "s|$scratch||g" "$FILES/said" >&2
    exit 1
fi
install -T -m 0600 "$FILES/config" /etc/netplan/@NAME@
"""


def _check(options: Options) -> Options:
    checked: dict[str, t.Any] = {**options, "name": drop_in_name("name", options["name"])}
    if "config" in options:
        config = document("config", options["config"])
        if list(config) != ["network"] or not isinstance(config["network"], dict):
            raise BadRequestError(
                "config has to have the one key network, and in it a dictionary",
                "Write it as in netplan's own files: config: {network: {version: 2, ethernets: …}}",
            )
        checked["config"] = config
    elif not options["content"].strip() or "\0" in options["content"]:
        raise BadRequestError("content is empty or holds a NUL byte")
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    if "config" in options:
        text = yaml_of(options["config"], "# By goldsmith.kvm.")
    else:
        text = options["content"] if options["content"].endswith("\n") else options["content"] + "\n"
    script = require_program("netplan", "netplan.io") + _SCRIPT.replace("@NAME@", f"{options['name']}.yaml")
    return (Run(script, contents={"config": text}),)


KIND = StepKind(
    name="netplan",
    description="""
        Put in a file for netplan, C(/etc/netplan/NAME.yaml), readable by root alone. The image's netplan tries it
        together with the files that are there.

        At a clone's first boot C(cloud-init) adds its own file, C(50-cloud-init.yaml), which has DHCP on the first
        network card where the clone's data says nothing else. To keep it from that, have a step C(cloud_config) with
        V({network: {config: disabled}}).

        An interface that is not there holds a clone's boot up for two minutes unless it is C(optional).
    """,
    options={
        "name": {
            **DROP_IN_NAME_OPTION,
            "description": """
                Name of the file without C(.yaml), such as V(60-storage). Of two files that set the same key the one
                that sorts last counts.
            """,
        },
        "config": {
            "type": "dict",
            "description": "The configuration, with the key C(network). It stands in the build record.",
        },
        "content": {
            "type": "str",
            "description": "The same, as text.",
        },
    },
    rules={"mutually_exclusive": [["config", "content"]], "required_one_of": [["config", "content"]]},
    check=_check,
    render=_render,
    example="""\
- netplan:
    name: 60-storage
    config:
      network:
        version: 2
        ethernets:
          storage:
            match: {name: ens6}
            mtu: 9000
            dhcp4: true
            optional: true
""",
)
