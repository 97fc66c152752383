# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example of the documentation is run, and what the documentation names is there."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from .example_steps import example_tasks
from .examples import DOCUMENTS, ROOT, Example, Reader, blocks, examples
from .plays import PLAYBOOK, environment, run_playbook

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ROLE = ROOT / "roles" / "golden_image"


def ansible(program: str, *arguments: str) -> str:
    """What a program of Ansible prints; AssertionError where it fails or warns."""
    done = subprocess.run(
        [PLAYBOOK.with_name(program), *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@functools.cache
def documented(name: str, kind: str = "module") -> dict[str, t.Any]:
    found = json.loads(ansible("ansible-doc", "--json", "--type", kind, name))
    return dict(found[name])


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example.document}: {example.title}")
def test_an_example_of_the_guides(reader: Reader, example: Example) -> None:
    played = reader.run(example.text)
    assert played.results


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module(reader: Reader, module: str) -> None:
    played = reader.run(documented(f"goldsmith.kvm.{module}")["examples"])
    assert played.results


def test_every_example_of_the_page_of_steps(reader: Reader) -> None:
    """One play for all: a task for each group of steps customises a base in check mode."""
    tasks = example_tasks(reader.directory)
    assert tasks
    played = reader.run(yaml.safe_dump(tasks))
    assert played.tasks == [task["name"] for task in tasks]
    wrong = {name: result["msg"] for name, result in zip(played.tasks, played.results) if result.get("failed")}
    assert wrong == {}
    assert all(result["steps"] for result in played.results)


@pytest.mark.slow
def test_the_golden_image_of_the_guide(reader: Reader, built_example: Example) -> None:
    link = reader.golden_dir / "noble-base.qcow2"
    image = link.resolve()
    record = json.loads(Path(f"{image}.json").read_text())
    assert re.fullmatch(r"noble-base-[0-9.]+-[0-9a-f]{8}\.qcow2", image.name)
    assert stat.S_IMODE(image.stat().st_mode) == 0o444
    beside = [f"{image.name}{suffix}" for suffix in ("", ".json", ".log")]
    assert link.is_symlink() and sorted(os.listdir(reader.golden_dir)) == [*beside, link.name]
    assert [next(iter(step)) for step in record["recipe"]["steps"]] == [
        "disable_unattended_upgrades",
        "timezone",
        "write",
        "user",
        "run_command",
    ]
    assert reader.run(built_example.text, launch=True).changed == []


def test_every_command_of_the_guides_is_there() -> None:
    lines = [line for document in DOCUMENTS for text in blocks(document, "console") for line in text.splitlines()]
    commands = [re.sub(r"^[$#] |\s+#.*$", "", line).split() for line in lines if line[:2] in ("$ ", "# ")]
    assert commands
    usage = subprocess.run([ROOT / "run", "help"], check=True, capture_output=True, text=True).stdout
    for program, *arguments in commands:
        if program == "./run":
            assert f"./run {arguments[0]} " in usage
        elif program == "ansible-playbook":
            run_playbook(arguments[0], "--syntax-check", *arguments[1:])
        else:
            assert PLAYBOOK.with_name(program).exists()
            assert arguments[:3] == ["collection", "install", "goldsmith.kvm"]


def test_every_tag_of_the_guides_is_there() -> None:
    named = set(re.findall(r"`(golden_image_(?:\w+))`", (ROOT / "docs" / "golden_images.md").read_text()))
    tasks = "".join(path.read_text() for path in (ROLE / "tasks").glob("*.yml"))
    tags = {tag for listed in re.findall(r"^ *tags: \[(.*)\]$", tasks, re.MULTILINE) for tag in listed.split(", ")}
    assert named
    assert named <= tags


def test_a_tag_only_fetches(reader: Reader) -> None:
    example = next(example for example in examples() if example.title == "Build as a normal user")
    tasks = [task.rpartition(" : ")[2] for task in reader.run(example.text, "--tags", "golden_image_fetch").tasks]
    assert "Fetch the base image" in tasks
    assert "Customise it" not in tasks


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
            assert re.match(r"https?://", target) or (document.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("module", MODULES)
def test_the_documentation_of_a_module_renders(module: str) -> None:
    assert f"goldsmith.kvm.{module}" in ansible("ansible-doc", f"goldsmith.kvm.{module}")
    found = documented(f"goldsmith.kvm.{module}")
    assert found["doc"]["version_added"]
    assert found["return"]


def test_the_documentation_of_the_role_renders() -> None:
    assert "golden_image_release" in ansible("ansible-doc", "--type", "role", "goldsmith.kvm.golden_image")


def test_the_role_s_options_and_its_defaults_agree() -> None:
    options = documented("goldsmith.kvm.golden_image", "role")["entry_points"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    assert {name: option["default"] for name, option in options.items()} == defaults


def test_the_role_passes_on_every_key_of_an_entry() -> None:
    internals = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    keys = internals["__golden_image_defaults"]
    tasks = "".join((ROLE / "tasks" / name).read_text() for name in ("image.yml", "derived.yml"))
    assert {key: f"{{{{ golden_image_{key} }}}}" for key in keys} == keys
    assert [key for key in keys if not re.search(rf"__golden_image\.{key}\b", tasks)] == []


def messages() -> list[str]:
    """Every text in the collection's code, as written: with names in braces for the values that are put in."""
    texts = []
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                texts.append("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def test_every_message_that_is_explained_is_one_of_the_code() -> None:
    spans = re.findall(r"`([^`\n]+)`", (ROOT / "docs" / "troubleshooting.md").read_text())
    quoted = [span for span in spans if "…" in span or len(span.split()) > 4]
    assert len(quoted) > 30
    texts = messages()
    stale = [message for message in quoted if not any(says(text, message.split("…")) for text in texts)]
    assert stale == []


def says(text: str, parts: list[str]) -> bool:
    """Whether the parts of a message stand in a text, one behind the other."""
    at = 0
    for part in parts:
        at = text.find(part.strip(), at)
        if at < 0:
            return False
        at += len(part.strip())
    return True
