# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the page of steps, and what their reader has to have: a base, and the files that they name."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import TEMPLATE, TREE, StepKind
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "steps.md"
_BASE = {"publisher": "ubuntu", "release": "noble", "version": "24.04", "serial": "20260905"}


def example_tasks(directory: Path) -> list[dict[str, t.Any]]:
    """A task for each group of the page, with all its examples. The files are made in ``directory``, the playbook's."""
    return [
        {
            "name": group,
            "goldsmith.kvm.image_customize": {
                "base": {"path": str(directory / "srv/images/debian-12.qcow2"), **_BASE},
                "dest_dir": str(directory / "golden"),
                "name": "example",
                "steps": [_with_files(step, directory) for text in blocks for step in yaml.safe_load(text)],
            },
            "vars": {name: "made up" for text in blocks for name in re.findall(r"{{\s*(\w+)", text)},
            "ignore_errors": True,
        }
        for group, blocks in _examples()
    ]


def _examples() -> list[tuple[str, list[str]]]:
    sections = re.split(r"^## (.*)\n", PAGE.read_text(), flags=re.MULTILINE)[1:]
    found = [
        (group, re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
        for group, text in zip(sections[::2], sections[1::2])
    ]
    return [(group, blocks) for group, blocks in found if blocks]


def _with_files(step: dict[str, t.Any], directory: Path) -> dict[str, t.Any]:
    """The step, whose files are there afterwards: absolute paths, and those of the target, below ``directory``."""
    name = next(name for name in step if name in KINDS)
    kind, options = KINDS[name], dict(step[name] or {})
    for option in kind.files:
        given = options.get(option)
        if isinstance(given, list):
            options[option] = [_made(kind, option, options, value, directory) for value in given]
        elif given is not None:
            options[option] = _made(kind, option, options, given, directory)
    return {**step, name: options}


def _made(kind: StepKind, option: str, options: t.Mapping[str, t.Any], value: str, directory: Path) -> str:
    if value.startswith(("/", "~")):
        path = directory / "elsewhere" / value.lstrip("/~")
        named = f"{path}/" if value.endswith("/") else str(path)
    else:
        path = directory / ("templates" if kind.files[option] == TEMPLATE else "files") / value
        named = str(path) if options.get("remote_src") else value
    if kind.files[option] == TREE and not path.suffix:
        path = path / "made-up"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("made up\n")
    return named
