# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook of what a conversion has made of shell lines, as people would write it."""

from __future__ import annotations

import posixpath
import re
import typing as t

import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.model import (
    NOT_NEEDED,
    Conversion,
    Recipe,
)

_GOLDEN_DIR = "/var/lib/libvirt/images/golden"
_VARIABLE = re.compile(r"\{\{ (\w+) \}\}")
_OTHER_BREAKS = re.compile("[\r\x85\u2028\u2029]")
_SHORT = 100


def playbook(conversion: Conversion, source: str) -> str:
    """The playbook's text, with what is left to do in comments; ``source``: name of the file that it is made of."""
    used = _names(conversion.recipes)
    variables = {**conversion.variables, "golden_dir": _GOLDEN_DIR}
    play = {
        "name": "Build golden images" if len(used) > 1 else "Build a golden image",
        "hosts": "localhost",
        "vars": variables,
        "tasks": [_task(recipe, name) for recipe, name in zip(conversion.recipes, used)],
    }
    comments = [f"# Made from {source} by goldsmith.kvm.convert_virt_customize"] if source else []
    left = [str(remark) for remark in conversion.remarks if remark.kind != NOT_NEEDED]
    if left:
        comments.append("# To see to:")
        comments += [f"# - {' '.join(text.split())}" for text in left]
    return "\n".join(["---", *comments, to_yaml([play])])


def _names(recipes: t.Sequence[Recipe]) -> list[str]:
    """A name for each golden image, after its base's file."""
    names: list[str] = []
    for recipe in recipes:
        stem = posixpath.splitext(posixpath.basename(recipe.image))[0]
        name = re.sub(r"[^A-Za-z0-9._-]", "-", stem).strip("-.") or "golden"
        variable = _VARIABLE.fullmatch(recipe.image)
        if variable:
            name = f"{{{{ {variable[1]} | basename | splitext | first }}}}"
        elif "{{" in recipe.image:
            name = "golden"
        while name in names:
            name += "-2"
        names.append(name)
    return names


def _task(recipe: Recipe, name: str) -> dict[str, t.Any]:
    return {
        "name": "Build the golden image" if "{{" in name else f"Build {name}",
        "goldsmith.kvm.image_customize": {
            "base": {"path": recipe.image or "{{ base_image }}"},
            "dest_dir": "{{ golden_dir }}",
            "name": name,
            **recipe.options,
            "steps": list(recipe.steps),
        },
    }


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: lists are indented, and text with several lines stands in a block."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> t.Any:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    style = "|" if "\n" in data else '"' if "{{" in data else None
    if _OTHER_BREAKS.search(data):
        style = '"'  # YAML's reader would make other line breaks of them
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


def _list(dumper: yaml.SafeDumper, data: list[t.Any]) -> yaml.Node:
    short = all(isinstance(item, str) and "\n" not in item for item in data) and sum(map(len, data)) < _SHORT
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=short)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def to_yaml(data: t.Any) -> str:
    """Well-formed YAML that says the same; keys keep their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
