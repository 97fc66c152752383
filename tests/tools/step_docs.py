# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the documentation of steps, which stands in the files of the steps, into that of ``image_customize``.

``python -m tests.tools.step_docs`` rewrites the module's marked section, and ``docs/steps.md`` (:mod:`.step_page`).
"""

from __future__ import annotations

import re
import textwrap
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import StepKind
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import COMMON_OPTIONS
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import GROUPS, KINDS

Specs = Mapping[str, Mapping[str, t.Any]]

MODULE = Path(__file__).resolve().parents[2] / "plugins" / "modules" / "image_customize.py"
_MARK = r"    # %s of what tests/tools/step_docs\.py writes\n"
_SECTION = re.compile(f"(?<={_MARK % 'Begin'}).*?(?={_MARK % 'End'})", re.DOTALL)
_WIDTH = 80
"""Where lines are folded; a long word can still stand out."""


class _Dumper(yaml.SafeDumper):
    """Indents lists, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def render(kinds: Iterable[StepKind]) -> str:
    """The YAML of ``suboptions``: what every step may have, then all kinds of steps."""
    suboptions = _documented(COMMON_OPTIONS, COMMON_OPTIONS, "")
    for kind in kinds:
        suboptions[kind.name] = {"description": paragraphs(kind.description, kind.options, kind.name), "type": "dict"}
        if kind.options:
            suboptions[kind.name]["suboptions"] = _documented(kind.options, kind.options, kind.name)
    text = yaml.dump({"suboptions": suboptions}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return textwrap.indent(text, "    ")


def renewed(module: str, kinds: Iterable[StepKind]) -> str:
    """The module's source with the section as it has to be."""
    text, count = _SECTION.subn(lambda _match: render(kinds), module)
    if count != 1:
        raise ValueError(f"{MODULE} has {count} sections for steps")
    return text


def _documented(specs: Specs, own: Specs, kind: str) -> dict[str, t.Any]:
    """The documentation of options, and of those that they have themselves; ``own`` are those of the whole step."""
    documented = {}
    for name, spec in specs.items():
        documented[name] = {
            "description": paragraphs(spec["description"], own, kind),
            **{key: value for key, value in spec.items() if key not in ("description", "no_log", "options")},
        }
        if "options" in spec:
            documented[name]["suboptions"] = _documented(spec["options"], own, kind)
    return documented


def paragraphs(text: str, own: Specs, kind: str) -> list[str]:
    """Ansible's list of paragraphs; ``O(src)`` in a step's own text becomes ``O(steps[].upload.src)``.

    What is none of the step's ``own`` options is one that every step may have, or one of the module.
    """

    def qualify(found: re.Match[str]) -> str:
        if found["name"] in own:
            return f"O({'.'.join(filter(None, ('steps[]', kind, found['name'])))}"
        return f"O(steps[].{found['name']}" if found["name"] in COMMON_OPTIONS else found[0]

    qualified = re.sub(r"\bO\((?P<name>\w+)", qualify, text)
    return [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", qualified.strip())]


if __name__ == "__main__":
    from . import step_page

    MODULE.write_text(renewed(MODULE.read_text(encoding="utf-8"), KINDS.values()), encoding="utf-8")
    step_page.PAGE.write_text(step_page.render(GROUPS), encoding="utf-8")
