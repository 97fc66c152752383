# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the examples of a module's documentation are tasks that the module would take.

``ansible-doc --json NAME | python -m tests.tools.examples``: prints what is wrong; exit status 1 when something is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

_SPEC_KEYS = ("type", "elements", "choices", "required", "default", "aliases")


def main() -> int:
    problems = [
        f"{name}: {problem}"
        for name, documented in json.load(sys.stdin).items()
        for problem in _problems(name, documented)
    ]
    print("\n".join(problems))
    return 1 if problems else 0


def _problems(name: str, documented: dict[str, Any]) -> Iterator[str]:
    described = _argument_spec(documented["doc"]["options"])
    tasks = [task for task in _tasks(yaml.safe_load(documented["examples"])) if name in task]
    if not tasks:
        yield "no example uses the module"
    for task in tasks:
        if "name" not in task:
            yield "an example has no name"
        given = task[name] or {}
        rendered = {option for option, value in given.items() if _is_template(value)}
        spec = {k: {**v, "required": v.get("required", False) and k not in rendered} for k, v in described.items()}
        for error in ArgumentSpecValidator(spec).validate(_without_templates(given)).error_messages:
            yield f"{task.get('name')}: {error}"


def _tasks(block: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tasks of a list of tasks, blocks or plays."""
    for task in block:
        yield task
        for part in ("block", "rescue", "always", "tasks"):
            yield from _tasks(task.get(part, []))


def _argument_spec(options: dict[str, Any]) -> dict[str, Any]:
    """The argument spec that documented ``options`` stand for; validate-modules sees to it that they agree."""
    return {
        name: {key: option[key] for key in _SPEC_KEYS if key in option}
        | ({"options": _argument_spec(option["suboptions"])} if option.get("suboptions") else {})
        for name, option in options.items()
    }


def _without_templates(value: Any) -> Any:
    """``value`` without what Ansible would have to render: an omitted option is not checked."""
    if isinstance(value, dict):
        return {key: _without_templates(item) for key, item in value.items() if not _is_template(item)}
    if isinstance(value, list):
        return [_without_templates(item) for item in value if not _is_template(item)]
    return value


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


if __name__ == "__main__":
    sys.exit(main())
