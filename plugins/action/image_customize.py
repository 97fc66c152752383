# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of image_customize: files that steps name.

The module is first told the files' digests alone. Mostly that is all: nothing has changed. When it has to build, it
answers which files its store lacks; those are sent, and the module is called once more.
"""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.controller_files import ControllerFile, ControllerFiles
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.inline_vault import decrypted

_MODULE = "goldsmith.kvm.image_customize"
_DICTIONARY = re.compile(r"\s*(\{|\w+=)")
"""Text that Ansible makes a dictionary of; any other is a path."""


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        files = ControllerFiles(self._loader, self._templar, variables, self._find_needle)
        try:
            result.update(self._customize(*self._controller_files(files), variables))
        except GoldsmithError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            files.close()
        return result

    def _controller_files(self, files: ControllerFiles) -> tuple[dict[str, ControllerFile], dict[str, list[str]]]:
        """Every file of the controller by payload key, and the errors of those that may not be needed."""
        if "payloads" in self._task.args:
            raise BadRequestError(
                "payloads is not for users", f"Leave it out: {_MODULE} finds the files of steps itself"
            )
        ready: dict[str, ControllerFile] = {}
        absent: dict[str, list[str]] = {}
        for step in parse_steps(decrypted(self._task.args.get("steps", []))):
            for place, value in () if step.remote else step.files():
                try:
                    ready[step.payload_key(place)] = files.ready(step, place, value)
                except GoldsmithError as error:
                    # Whether a step with a condition is meant at all, only the target can tell.
                    if step.condition is None:
                        raise
                    absent[step.payload_key(place)] = [error.cause, error.way_out]
        return ready, absent

    def _customize(
        self, files: dict[str, ControllerFile], absent: dict[str, list[str]], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        args = dict(self._task.args)
        if isinstance(args.get("base"), str) and not _DICTIONARY.match(args["base"]):
            args["base"] = {"path": args["base"]}
        if not files and not absent:
            return self._call(args, task_vars, wrap_async)
        payloads: dict[str, t.Any] = {
            "digests": {key: file.digest for key, file in files.items() if not file.secret},
            "secret_digests": {key: file.digest for key, file in files.items() if file.secret},
            "absent": absent,
        }
        answer = self._call({**args, "payloads": payloads}, task_vars, False)
        # A task in the background has to end with a call in the background, also when there was nothing to do.
        if answer.get("failed") or ("payloads_missing" not in answer and not wrap_async):
            return answer
        missing = {key: files[key].path for key in answer.get("payloads_missing", [])}
        payloads["directory"] = self._send(missing)
        return self._call({**args, "payloads": payloads}, task_vars, wrap_async)

    def _send(self, paths: dict[str, str]) -> str:
        """Copy these files to the target, under the names of their keys, and return the directory where they are."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        directory = str(self._connection._shell.tmpdir)
        sent = {self._connection._shell.join_path(directory, key): path for key, path in paths.items()}
        for remote, path in sent.items():
            self._transfer_file(path, remote)
        self._fixup_perms2([directory, *sent])
        return directory

    def _call(self, args: dict[str, t.Any], task_vars: dict[str, t.Any], wrap_async: bool) -> dict[str, t.Any]:
        answer: dict[str, t.Any] = self._execute_module(
            module_name=_MODULE, module_args=args, task_vars=task_vars, wrap_async=wrap_async
        )
        return answer
