# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of image_customize: files that steps name.

The module is first told the files' digests alone. Mostly that is all: nothing has changed. When it has to build, it
answers which files its store lacks; those are sent, and the module is called once more.
"""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleFileNotFound
from ansible.plugins.action import ActionBase

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import Step
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import hash_file
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import hex_of

_MODULE = "goldsmith.kvm.image_customize"


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        opened: list[str] = []
        try:
            files = self._controller_files(opened)
            result.update(self._customize(files, task_vars or {}))
        except GoldsmithError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            for path in opened:
                self._loader.cleanup_tmp_file(path)
        return result

    def _controller_files(self, opened: list[str]) -> dict[str, tuple[str, str]]:
        """Path and digest of every file of the controller, by payload key.

        ``opened`` gets the paths that the loader may have decrypted to.
        """
        if "payloads" in self._task.args:
            raise BadRequestError(
                "payloads is not for users", f"Leave it out: {_MODULE} finds the files of steps itself"
            )
        files = {}
        for step in parse_steps(self._task.args.get("steps", [])):
            for option, value in step.files():
                if not step.remote:
                    path = self._find(step, option, value)
                    opened.append(path)
                    files[step.payload_key(option)] = (path, hash_file(path))
        return files

    def _find(self, step: Step, option: str, value: str) -> str:
        """The file that ``value`` means, found as ansible.builtin.copy does, and decrypted."""
        place = f"{option} of step {step.label}"
        if value.endswith("/"):
            raise BadRequestError(f"{place} is a directory: {value}", "Name a single file")
        try:
            found = self._find_needle("files", os.path.expanduser(value))
        except AnsibleFileNotFound as error:
            searched = ", ".join(dict.fromkeys(str(path) for path in error.paths or ()))
            raise BadRequestError(
                f"{place} was not found on the controller: {value} (searched: {searched})",
                "Put it there, or use remote_src: true for a file of the target",
            ) from None  # ansible-core would say the cause once more, in its own words
        if os.path.isdir(found):
            raise BadRequestError(f"{place} is a directory: {found}", "Name a single file")
        if not os.access(found, os.R_OK):
            raise BadRequestError(f"{place} cannot be read on the controller: {found}", "Look at its permissions")
        return str(self._loader.get_real_file(found, decrypt=True))

    def _customize(self, files: dict[str, tuple[str, str]], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        args = dict(self._task.args)
        if not files:
            return self._call(args, task_vars, wrap_async)
        payloads: dict[str, t.Any] = {"digests": {key: digest for key, (_path, digest) in files.items()}}
        answer = self._call({**args, "payloads": payloads}, task_vars, False)
        # A task in the background has to end with a call in the background, also when there was nothing to do.
        if answer.get("failed") or ("payloads_missing" not in answer and not wrap_async):
            return answer
        paths = {digest: path for path, digest in files.values()}
        payloads["directory"] = self._send(paths, answer.get("payloads_missing", []))
        return self._call({**args, "payloads": payloads}, task_vars, wrap_async)

    def _send(self, paths: dict[str, str], missing: list[str]) -> str:
        """Copy the files with these digests to the target, and return the directory where they are."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        directory = str(self._connection._shell.tmpdir)
        sent = [self._connection._shell.join_path(directory, hex_of(digest)) for digest in missing]
        for digest, remote in zip(missing, sent):
            self._transfer_file(paths[digest], remote)
        self._fixup_perms2([directory, *sent])
        return directory

    def _call(self, args: dict[str, t.Any], task_vars: dict[str, t.Any], wrap_async: bool) -> dict[str, t.Any]:
        answer: dict[str, t.Any] = self._execute_module(
            module_name=_MODULE, module_args=args, task_vars=task_vars, wrap_async=wrap_async
        )
        return answer
