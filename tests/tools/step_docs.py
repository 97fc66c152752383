# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the documentation of steps, which stands in the files of the steps, into that of ``image_customize``.

``python -m ansible_collections.goldsmith.kvm.tests.tools.step_docs`` rewrites the module's marked section.
"""

from __future__ import annotations

import re
import textwrap
import typing as t
from collections.abc import Iterable
from pathlib import Path

import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import StepKind
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS

MODULE = Path(__file__).resolve().parents[2] / "plugins" / "modules" / "image_customize.py"
_MARK = r"    # %s of what tests/tools/step_docs\.py writes\n"
_SECTION = re.compile(f"(?<={_MARK % 'Begin'}).*?(?={_MARK % 'End'})", re.DOTALL)
_WIDTH = 90
"""Where lines are folded; a long word can still stand out."""


class _Dumper(yaml.SafeDumper):
    """Indents lists, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def render(kinds: Iterable[StepKind]) -> str:
    """The YAML of ``suboptions`` for all kinds of steps."""
    suboptions = {kind.name: _document(kind) for kind in kinds}
    text = yaml.dump({"suboptions": suboptions}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return textwrap.indent(text, "    ")


def renewed(module: str, kinds: Iterable[StepKind]) -> str:
    """The module's source with the section as it has to be."""
    text, count = _SECTION.subn(lambda _match: render(kinds), module)
    if count != 1:
        raise ValueError(f"{MODULE} has {count} sections for steps")
    return text


def _document(kind: StepKind) -> dict[str, t.Any]:
    document: dict[str, t.Any] = {"description": _paragraphs(kind, kind.description), "type": "dict"}
    if kind.options:
        document["suboptions"] = {
            name: {
                "description": _paragraphs(kind, spec["description"]),
                **{key: value for key, value in spec.items() if key not in ("description", "no_log")},
            }
            for name, spec in kind.options.items()
        }
    return document


def _paragraphs(kind: StepKind, text: str) -> list[str]:
    """Ansible's list of paragraphs; ``O(src)`` in a step's own text becomes ``O(steps[].upload.src)``."""
    qualified = re.sub(r"\bO\((\w+)", rf"O(steps[].{kind.name}.\1", text)
    return [" ".join(paragraph.split()) for paragraph in qualified.strip().split("\n\n")]


if __name__ == "__main__":
    MODULE.write_text(renewed(MODULE.read_text(encoding="utf-8"), KINDS.values()), encoding="utf-8")
