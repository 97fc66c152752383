# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of image_boot: it looks whether the texts of the seed are YAML, as that of seed_iso does.

The controller has a parser for YAML, and targets need not have one.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed import seed_from
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.image_boot import SECRET_OPTIONS
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.inline_vault import decrypted
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.yaml_text import parse_yaml

_MODULE = "goldsmith.kvm.image_boot"


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = decrypted(self._task.args)
        if args.get("state") != "absent":
            try:
                seed_from({option: args.get(option) for option in SECRET_OPTIONS}, "goldsmith-boot", parse_yaml)
            except GoldsmithError as error:
                raise AnsibleActionFail(str(error)) from None
        result.update(
            self._execute_module(
                module_name=_MODULE,
                module_args=args,
                task_vars=task_vars or {},
                wrap_async=bool(self._task.async_val) and not self._connection.has_native_async,
            )
        )
        return result
