# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of seed_iso: it makes texts of dictionaries, and looks whether texts are YAML.

The controller has a parser for YAML, and targets need not have one. And a module that is given a dictionary of secrets
has every value in it masked wherever it occurs, in paths, too; of a text only the whole is.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed import seed_from
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.seed import default_instance_id
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.inline_vault import decrypted
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.yaml_text import parse_yaml

_OPTIONS = ("user_data", "meta_data", "network_config", "vendor_data", "instance_id", "local_hostname")


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        try:
            args = self._texts(decrypted(self._task.args))
        except GoldsmithError as error:
            raise AnsibleActionFail(str(error)) from None
        result.update(
            self._execute_module(
                module_name="goldsmith.kvm.seed_iso",
                module_args=args,
                task_vars=task_vars or {},
                wrap_async=bool(self._task.async_val) and not self._connection.has_native_async,
            )
        )
        return result

    @staticmethod
    def _texts(args: dict[str, t.Any]) -> dict[str, t.Any]:
        """The module's arguments; the seed's files as texts."""
        seed = {option: args.get(option) for option in _OPTIONS}
        rest = {option: value for option, value in args.items() if option not in _OPTIONS}
        if "path" not in args or args.get("state") == "absent":
            # The module says what is missing.
            return rest
        files = seed_from(seed, default_instance_id(str(args["path"])), parse_yaml).files()
        texts = {name.replace("-", "_"): content.decode("utf-8", "surrogateescape") for name, content in files.items()}
        return {**rest, **texts}
