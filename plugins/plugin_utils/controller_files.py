# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the controller that steps name: found, decrypted, rendered or packed."""

from __future__ import annotations

import os
import tempfile
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ansible import constants
from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes
from ansible.plugins.loader import lookup_loader

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.tree import write_archive
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import TEMPLATE, TREE, Step
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import hash_file

_SINGLE_FILE = "Name a single file, or put the directory in by a step copy_in"


@dataclass(frozen=True)
class ControllerFile:
    """A file that is ready to be sent."""

    path: str
    digest: str
    secret: bool


@dataclass
class ControllerFiles:
    """Makes ready what steps name. What it makes on the way is temporary, for its owner alone: call :meth:`close`."""

    loader: t.Any
    templar: t.Any
    variables: Mapping[str, t.Any]
    find_needle: Callable[[str, str], str]
    """Finds a file below ``files`` or ``templates`` as Ansible's own actions do."""
    _decrypted: list[str] = field(default_factory=list)
    _made: list[str] = field(default_factory=list)

    def ready(self, step: Step, place: str, value: str) -> ControllerFile:
        """The file of a step, as it is to arrive; raises GoldsmithError that names the step and the file."""
        label = f"{place} of step {step.label}"
        kind = step.file_kind(place)
        found = self._find(label, "templates" if kind == TEMPLATE else "files", value, tree=kind == TREE)
        if kind == TEMPLATE:
            path = self._render(label, found)
        elif kind == TREE:
            path = self._pack(label, found)
        else:
            path = self._decrypt(label, found)
        return ControllerFile(path, hash_file(path), step.has_secret_files())

    def close(self) -> None:
        """Remove what was made on the way."""
        for path in self._decrypted:
            self.loader.cleanup_tmp_file(path)
        for path in self._made:
            os.unlink(path)

    def _find(self, label: str, directory: str, value: str, *, tree: bool) -> str:
        if value.endswith("/") and not tree:
            raise BadRequestError(f"{label} is a directory: {value}", _SINGLE_FILE)
        try:
            found = self.find_needle(directory, os.path.expanduser(value.rstrip("/") or value))
        except AnsibleFileNotFound as error:
            searched = ", ".join(dict.fromkeys(str(path) for path in error.paths or ()))
            raise BadRequestError(
                f"{label} was not found on the controller: {value} (searched: {searched})",
                "Put it there, or give its right path"
                if directory == "templates"
                else "Put it there, or use remote_src: true for a file of the target",
            ) from None  # ansible-core would say the cause once more, in its own words
        if os.path.isdir(found) and not tree:
            raise BadRequestError(f"{label} is a directory: {found}", _SINGLE_FILE)
        if not os.path.isdir(found) and not os.path.isfile(found):
            raise BadRequestError(f"{label} is no regular file: {found}", "Name a file, not a pipe, socket or device")
        if not os.access(found, os.R_OK):
            raise BadRequestError(f"{label} cannot be read on the controller: {found}", "Look at its permissions")
        return found

    def _decrypt(self, label: str, path: str) -> str:
        """The path of a file, or of what it is when the vault has opened it."""
        try:
            readable = str(self.loader.get_real_file(path, decrypt=True))
        except AnsibleError as error:
            raise BadRequestError(
                f"{label} cannot be decrypted: {path} ({_said(error)})", "Give the vault's password"
            ) from None
        self._decrypted.append(readable)
        return readable

    def _render(self, label: str, path: str) -> str:
        """Render a template as ansible.builtin.template does, by the lookup of that name."""
        lookup = lookup_loader.get("ansible.builtin.template", loader=self.loader, templar=self.templar)
        try:
            (rendered,) = lookup.run([path], variables=dict(self.variables), convert_data=False)
        except AnsibleError as error:
            raise BadRequestError(
                f"{label} cannot be rendered: {path}: {_said(error)}",
                "Define what it uses as variables of the play, or correct the template",
            ) from None
        if rendered is None:
            rendered = ""
        return self._write(
            lambda file: file.write(to_bytes(rendered, errors="surrogate_or_strict", nonstring="simplerepr"))
        )

    def _pack(self, label: str, path: str) -> str:
        def pack(file: t.IO[bytes]) -> None:
            write_archive(path, file, lambda member: self._decrypt(label, member))

        try:
            return self._write(pack)
        except BadRequestError as error:
            raise BadRequestError(f"{label}: {error.cause}", error.way_out) from error

    def _write(self, write: Callable[[t.IO[bytes]], object]) -> str:
        descriptor, path = tempfile.mkstemp(prefix="goldsmith-", dir=constants.DEFAULT_LOCAL_TMP)
        self._made.append(path)
        with os.fdopen(descriptor, "wb") as file:
            write(file)
        return path


def _said(error: BaseException) -> str:
    """What Ansible says, and what had led to it, in one line."""
    said: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        text = " ".join(str(getattr(seen, "message", None) or seen).split())
        if text and not any(text in other for other in said):
            said.append(text)
        seen = seen.__cause__
    return ": ".join(text.rstrip(".") for text in said)
