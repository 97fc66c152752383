# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of all kinds of steps, ``docs/steps.md``, from the files of the steps."""

from __future__ import annotations

import json
import re
import textwrap
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import StepKind
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import COMMON_OPTIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "steps.md"
_INTRODUCTION = """\
# Steps

<!-- Written by tests/tools/step_docs.py from the files of the steps. -->

Each step of `goldsmith.kvm.image_customize` is a dictionary with one key, the kind of step, which holds a dictionary \
of its options. Steps are carried out in your order, in one launch; each may build upon the ones before it. \
[Build golden images](golden_images.md) has the rest: conditions, files, secrets, and what is published.
"""
_MARKUP = re.compile(r"\b(?P<kind>[A-Z]{1,2})\((?P<text>(?:[^)\\]|\\.)*)\)")


def render(groups: Mapping[str, Sequence[StepKind]]) -> str:
    """The whole page."""
    parts = [_INTRODUCTION, "".join(_contents(groups)), "## In every step\n", _table(COMMON_OPTIONS)]
    for group, kinds in groups.items():
        parts.append(f"## {group}\n")
        for kind in kinds:
            parts.append(f"### {kind.name}\n")
            parts += [f"{text}\n" for text in markdown(kind.description)]
            parts.append(_table(kind.options) if kind.options else "It has no options.\n")
            if kind.example:
                parts.append(f"```yaml\n{textwrap.dedent(kind.example).strip()}\n```\n")
    return "\n".join(parts)


def _contents(groups: Mapping[str, Sequence[StepKind]]) -> Iterator[str]:
    for group, kinds in groups.items():
        yield f"- {group}: {', '.join(f'[`{kind.name}`](#{kind.name})' for kind in kinds)}\n"


def _table(options: Mapping[str, Mapping[str, t.Any]]) -> str:
    rows = ["| option | type | default | what it is |", "|---|---|---|---|"]
    for name, spec in flat(options):
        described = "<br>".join(markdown(spec["description"]))
        if spec.get("choices"):
            described = f"One of {', '.join(_code(choice) for choice in spec['choices'])}.<br>{described}"
        cells = (f"`{name}`", _type(spec), _default(spec), described)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def flat(options: Mapping[str, Mapping[str, t.Any]], above: str = "") -> Iterator[tuple[str, Mapping[str, t.Any]]]:
    """Every option, those of options behind theirs as ``repository.url``."""
    for name, spec in options.items():
        yield f"{above}{name}", spec
        if "options" in spec:
            yield from flat(spec["options"], f"{above}{name}{'[]' if spec['type'] == 'list' else ''}.")


def _type(spec: Mapping[str, t.Any]) -> str:
    # "raw" says nothing to people; what it takes is in the description.
    kind = {"raw": "any"}.get(spec["type"], spec["type"])
    return f"list of {spec['elements']}" if spec.get("elements") else str(kind)


def _default(spec: Mapping[str, t.Any]) -> str:
    if spec.get("required"):
        return "**required**"
    return _code(spec["default"]) if spec.get("default") is not None else ""


def _code(value: t.Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return _span(text) if text else "empty"


def _span(text: str) -> str:
    """Text as a code span, also where it holds backticks (CommonMark 0.31, 6.1)."""
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{ticks}{text}{ticks}" if len(ticks) == 1 else f"{ticks} {text} {ticks}"


def markdown(text: str) -> list[str]:
    """Paragraphs of Ansible's documentation markup as Markdown, each on one line."""
    return [
        _paragraph(" ".join(paragraph.split())) for paragraph in re.split(r"\n\s*\n", textwrap.dedent(text).strip())
    ]


def _paragraph(text: str) -> str:
    parts, at = [], 0
    for found in _MARKUP.finditer(text):
        parts += [_plain(text[at : found.start()]), _marked(found["kind"], found["text"], found[0])]
        at = found.end()
    return "".join([*parts, _plain(text[at:])])


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_<\[\]])", r"\\\1", text)


def _marked(kind: str, text: str, whole: str) -> str:
    if kind in ("O", "V", "C", "E", "RV"):
        return _span(re.sub(r"\\(.)", r"\1", text))
    if kind in ("M", "P"):
        return _span(text.partition("#")[0])
    if kind == "B":
        return f"**{_plain(text)}**"
    if kind == "I":
        return f"*{_plain(text)}*"
    if kind == "U":
        return f"<{text}>"
    if kind == "L":
        words, dummy, target = text.rpartition(",")
        return f"[{_plain(words.strip())}]({target.strip()})"
    return _plain(whole)
