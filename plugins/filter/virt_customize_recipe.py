# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``virt_customize_recipe``; its documentation is in the file beside it."""

from __future__ import annotations

import json
import os
import stat
import typing as t
from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.convert import AUTO, KINDS, convert
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.model import NOT_NEEDED, Remark
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.conversion_playbook import playbook


class _BesideSource:
    """The files of the controller that shell lines name, from the directory of the file that holds these."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self, path: str) -> str | None:
        try:
            return self._path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeError):
            return None

    def mode(self, path: str) -> str | None:
        try:
            found = self._path(path).stat()
        except OSError:
            return None
        return f"{stat.S_IMODE(found.st_mode):04o}" if stat.S_ISREG(found.st_mode) else None

    def _path(self, path: str) -> Path:
        return Path(self._directory, os.path.expanduser(path))


def virt_customize_recipe(text: t.Any, kind: str = AUTO, source: str = "") -> t.Any:
    if kind not in KINDS:
        raise AnsibleFilterError(f"virt_customize_recipe: kind has to be one of {', '.join(KINDS)} and is {kind!r}")
    if not isinstance(text, str):
        raise AnsibleFilterError("virt_customize_recipe: what is to be converted has to be text")
    # Lookups mark their texts, and every piece of them, as not to be trusted. What is made of it is marked again below.
    text, source = json.loads(json.dumps([text, source]))
    where = f"{source}: " if source else ""
    if "\0" in text:
        raise AnsibleFilterError(
            f"{where}what is to be converted is not text. Give a script, a command line or a commands file"
        )
    files = _BesideSource(os.path.dirname(source)) if source else None
    try:
        made = convert(text, kind, files)
    except BadRequestError as error:
        raise AnsibleFilterError(f"{where}{error}") from error
    recipes = [
        {"image": recipe.image, "options": dict(recipe.options), "steps": list(recipe.steps)} for recipe in made.recipes
    ]
    # Jinja in it is for whoever writes it into a playbook.
    return wrap_var(
        {
            "recipes": recipes,
            "variables": dict(made.variables),
            "remarks": [_remark(remark) for remark in made.remarks],
            "playbook": playbook(made, os.path.basename(source)),
        }
    )


def _remark(remark: Remark) -> dict[str, t.Any]:
    return {
        "kind": remark.kind,
        "needs_attention": remark.kind != NOT_NEEDED,
        "line": remark.place.line,
        "file": remark.place.file,
        "subject": remark.subject,
        "cause": remark.cause,
        "way_out": remark.way_out,
        "msg": str(remark),
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"virt_customize_recipe": virt_customize_recipe}
