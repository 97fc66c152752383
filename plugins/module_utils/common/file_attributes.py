# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, group, mode and so on of a file, as the options of Ansible's own file modules give them."""

from __future__ import annotations

import grp
import pwd
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

_CHANGE = "(?:a|[ugo]*)(?:[-+=][rwxXstugo]*)*"
_MODE = re.compile(rf"(?:0o)?[0-7]+|{_CHANGE}(?:,{_CHANGE})*")
"""As AnsibleModule takes it."""


class Attributes(t.Protocol):
    """Owner, group, mode, SELinux context and file attributes that a user asked for."""

    def apply(self, path: str, diff: dict[str, dict[str, t.Any]]) -> bool:
        """Give them to the file at ``path``; in check mode, only tell.

        Returns whether something had to be changed, and adds that to ``before`` and ``after`` of ``diff``.
        """

    def unknown(self) -> list[str]:
        """``owner ops``, ``mode rw``: what this host does not know, so that it cannot be given to a file."""


class ModuleAttributes:
    """The options that ``add_file_common_args=True`` adds to a module."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

    def apply(self, path: str, diff: dict[str, dict[str, t.Any]]) -> bool:
        wanted = self._module.load_file_common_arguments(self._module.params, path=path)
        changed: bool = self._module.set_fs_attributes_if_different(wanted, False, diff)
        return changed

    def unknown(self) -> list[str]:
        options = (("owner", pwd.getpwnam), ("group", grp.getgrnam))
        given = [(name, self._module.params.get(name), find) for name, find in options]
        unknown = [f"{name} {value}" for name, value, find in given if value and not _is_known(value, find)]
        mode = self._module.params.get("mode")
        return unknown if mode is None or _MODE.fullmatch(str(mode)) else [*unknown, f"mode {mode}"]


def _is_known(name: str, find: t.Callable[[str], t.Any]) -> bool:
    try:
        return name.isdigit() or bool(find(name))
    except KeyError:
        return False
