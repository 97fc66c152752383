# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import posixpath
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps

DOCUMENTATION = r"""
name: preset_steps
short_description: The steps of presets, in one list
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
positional: file
description:
  - Puts the steps of presets of the role P(goldsmith.kvm.golden_image#role) one behind the other, as
    M(goldsmith.kvm.image_customize) takes them.
  - An entry with C(when) and C(steps) stands for these steps where C(when) is true, and for none where it is false.
options:
  _input:
    description: Presets, each a dictionary whose C(steps) is a list.
    type: list
    elements: dict
    required: true
  file:
    description:
      - Path of the file that holds the preset. Where it is given, every key and every step is checked, and an error
        names the preset and its file.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the steps of a preset of your own
  ansible.builtin.debug:
    msg: "{{ [preset] | goldsmith.kvm.preset_steps }}"
  vars:
    preset:
      steps:
        - packages: {install: [chrony]}
        - when: "{{ time_server is defined }}"
          steps:
            - write: {dest: /etc/chrony/sources.d/site.sources, content: "server {{ time_server | default('') }}\n"}
"""

RETURN = r"""
_value:
  description: The steps.
  type: list
  elements: dict
"""


_KEYS = ("steps", "requires")


def preset_steps(presets: t.Any, file: str = "") -> list[t.Any]:
    """All steps of these presets, in order."""
    if isinstance(presets, (str, Mapping)) or not hasattr(presets, "__iter__"):
        raise AnsibleFilterError("preset_steps takes a list of presets. Write it as [preset]")
    try:
        steps = [step for preset in presets for step in _steps(preset)]
        if file:
            _check(presets, steps)
    except (AnsibleFilterError, BadRequestError) as error:
        if not file:
            raise
        name = posixpath.splitext(posixpath.basename(file))[0]
        raise AnsibleFilterError(f"preset {name} ({file}): {error}") from error
    return steps


def _check(presets: Iterable[Mapping[str, t.Any]], steps: list[t.Any]) -> None:
    unknown = sorted({str(key) for preset in presets for key in preset if key not in _KEYS})
    if unknown:
        raise BadRequestError(f"a preset has no {', '.join(unknown)}", f"There are {', '.join(_KEYS)}")
    _check_requirements([entry for preset in presets for entry in _listed(preset.get("requires", []))])
    parse_steps(steps)


def _listed(requires: t.Any) -> list[t.Any]:
    if not isinstance(requires, (list, tuple)):
        raise BadRequestError("requires is not a list", "Write a list of dictionaries with that and fail_msg")
    return list(requires)


def _check_requirements(requires: list[t.Any]) -> None:
    for entry in requires:
        if not isinstance(entry, Mapping) or "that" not in entry or not set(entry) <= {"that", "fail_msg"}:
            raise BadRequestError(
                "an entry of requires is not a dictionary with that, and fail_msg if you like",
                'Write it as {that: "{{ your_condition }}", fail_msg: what to do}',
            )


def _steps(group: t.Any) -> Iterator[t.Any]:
    steps = group.get("steps") if isinstance(group, Mapping) else None
    if not isinstance(steps, (list, tuple)):
        raise AnsibleFilterError(
            "a preset is a dictionary whose steps is a list, and this one is not. Write `steps:` and its list below, "
            "`steps: []` for none"
        )
    for entry in steps:
        # Everything else is a step, or a mistake that image_customize explains.
        if not isinstance(entry, Mapping) or "steps" not in entry:
            yield entry
        elif _holds(entry):
            yield from _steps(entry)


def _holds(group: Mapping[str, t.Any]) -> bool:
    if set(group) != {"when", "steps"}:
        raise AnsibleFilterError(
            f"a group of steps in a preset has when and steps, and this one has {', '.join(sorted(map(str, group)))}. "
            "Name single steps, inside the group"
        )
    try:
        return bool(boolean(group["when"]))
    except TypeError:
        raise AnsibleFilterError(
            f"when of a group of steps in a preset is neither true nor false: {group['when']!r}. "
            'Write it as when: "{{ your_variable | bool }}"'
        ) from None


class FilterModule:
    def filters(self) -> dict[str, t.Any]:
        return {"preset_steps": preset_steps}
