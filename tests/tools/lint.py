# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint: what can be said about the files without running the collection."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .paths import CACHE, COLLECTIONS, LINKED, ROOT
from .process import Log
from .summary import Tally

_DOCUMENTATION_BLOCK = re.compile(r"^ *[A-Z]+ = r?(\"\"\"|''').*?\1", re.MULTILINE | re.DOTALL)
_MAX_LINES = 300
_MAX_LINES_OF_TESTS = 450  # tables of cases are read one by one
_COUNTED = {".py", ".sh", ".yml", ".yaml", ".j2", ""}
_DOCUMENTATION = {"LICENSE", "README.md", "CHANGELOG.md", "changelogs/changelog.yaml"}

_CHECKS = {
    "ruff check": (["ruff", "check", "--output-format=concise", "."], {}),
    "ruff format": (["ruff", "format", "--check", "."], {}),
    "mypy": (
        [
            "mypy",
            *("-p", "ansible_collections.goldsmith.kvm.plugins.module_utils"),
            *("-p", "ansible_collections.goldsmith.kvm.plugins.filter"),
            *("-p", "ansible_collections.goldsmith.kvm.plugins.plugin_utils"),
        ],
        {"MYPYPATH": str(COLLECTIONS)},
    ),
    "mypy of the tools": (["mypy", "-p", "tests.tools"], {"MYPYPATH": f"{ROOT}:{COLLECTIONS}"}),
    "yamllint": (["yamllint", "--strict", "."], {}),
    "ansible-lint": (["ansible-lint", "--strict", "--nocolor"], {}),
    "changelog": (["antsibull-changelog", "lint"], {}),
    "shellcheck": (["shellcheck", "run", ".ci/run"], {}),
}


def run(log: Log, extra: list[str]) -> Tally:
    tally = Tally()
    caches = {"RUFF_CACHE_DIR": str(CACHE / "ruff")}
    for name, (argv, env) in _CHECKS.items():
        # antsibull-changelog and ansible-lint find the collection's name from the directory.
        cwd = LINKED if argv[0] == "antsibull-changelog" else ROOT
        tally.count(name, log.run(argv, cwd=cwd, env={**caches, **env}) == 0)
    too_long = list(_too_long())
    for complaint in too_long:
        tally.fail(complaint)
    if not too_long:
        tally.count("length of files", True)
    return tally


def _too_long() -> Iterator[str]:
    """Files, documentation aside, with more lines than one should read at a time."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        path = ROOT / name
        # The options of a role are its documentation, as those of a module are.
        if (
            name in _DOCUMENTATION
            or path.name == "argument_specs.yml"
            or path.suffix not in _COUNTED
            or not path.is_file()
        ):
            continue
        lines = _code_lines(path)
        limit = _MAX_LINES_OF_TESTS if name.startswith("tests/") else _MAX_LINES
        if lines > limit:
            yield f"{name} has {lines} lines, {limit} are the limit"


def _code_lines(path: Path) -> int:
    """Lines of a file, without the blocks of documentation of a module or of a fragment of such."""
    text = path.read_text(encoding="utf-8")
    if path.parent.name in ("modules", "doc_fragments"):
        text = _DOCUMENTATION_BLOCK.sub("", text)
    return len(text.splitlines())
