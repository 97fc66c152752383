# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``image_convert`` is asked."""

from __future__ import annotations

import difflib
import os
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import BadRequestError
from ..disk.formats import Target, format_argument_spec, target_from
from ..disk.ova import package_name
from ..store.layout import DEFAULT_ROOT
from ..store.signing import checksum_path, parse_fingerprint, signature_path

_KEYS_THAT_COUNT = ("path", "digest")
_LONGEST_NAME = 200
"""A file system takes 255 bytes; the endings of what lies beside, and temporary names, add to it."""


def convert_argument_spec() -> dict[str, t.Any]:
    """The options of ``image_convert``."""
    return {
        "src": {"type": "raw", "required": True},
        "backing_files": {"type": "bool", "default": False},
        "outputs": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"dest": {"type": "path", "required": True}, **format_argument_spec()},
        },
        "parallel": {"type": "int"},
        "compare": {"type": "bool", "default": False},
        "checksum": {"type": "bool", "default": False},
        "signing_key": {"type": "str", "no_log": False},
        "signing_passphrase": {"type": "str", "no_log": True},
        "gnupghome": {"type": "path"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "mode": {"type": "raw"},
        "store": {"type": "path", "default": DEFAULT_ROOT},
    }


def record_path(dest: str) -> str:
    """Where the record of the conversion to ``dest`` is; a golden image's own record has another name."""
    return f"{dest}.conversion.json"


@dataclass(frozen=True)
class Output:
    """One file that is wanted."""

    dest: str
    """Absolute; the directory's links resolved, so that it is the same by whatever way it is reached."""
    target: Target

    @property
    def lock_name(self) -> str:
        return f"convert:{self.dest}"

    @property
    def beside(self) -> tuple[str, ...]:
        """What else is written or removed; a checksum file and its signature also where none are wanted any more."""
        return checksum_path(self.dest), signature_path(self.dest), record_path(self.dest)


@dataclass(frozen=True)
class Request:
    """All that the user asked for, checked as far as that can be done without looking at the host."""

    path: str
    """The source, resolved; empty where check mode could not tell it."""
    digest: str
    """``sha256:…`` that the source has to have, or empty."""
    backing_files: bool
    outputs: tuple[Output, ...]
    parallel: int
    compare: bool
    checksum: bool
    signing_key: str | None
    """Its fingerprint."""
    signing_passphrase: str | None
    gnupghome: str | None


def request_from(params: Mapping[str, t.Any]) -> Request:
    """The request of a module's parameters. Raises BadRequestError."""
    path, digest = _source(params["src"])
    outputs = _outputs(params["outputs"], path)
    if params["parallel"] is not None and params["parallel"] < 1:
        raise BadRequestError(f"parallel is {params['parallel']}", "Give a number from 1 on, or leave it out")
    key = params["signing_key"] or None
    for option in ("signing_passphrase", "gnupghome"):
        if params[option] and key is None:
            raise BadRequestError(f"{option} is given, and signing_key is not", "Give the fingerprint of the key")
    if key is not None and not params["checksum"]:
        raise BadRequestError("signing_key is given, and there is no checksum file to sign", "Set checksum: true")
    return Request(
        path=path,
        digest=digest,
        backing_files=params["backing_files"],
        outputs=outputs,
        parallel=params["parallel"] or len(os.sched_getaffinity(0)),
        compare=params["compare"],
        checksum=params["checksum"],
        signing_key=None if key is None else parse_fingerprint(key, "signing_key"),
        signing_passphrase=params["signing_passphrase"] or None,
        gnupghome=params["gnupghome"],
    )


def _source(given: t.Any) -> tuple[str, str]:
    """Path and digest."""
    if isinstance(given, str):
        given = {"path": given}
    if not isinstance(given, Mapping):
        raise BadRequestError(f"src is neither a path nor an image: {given!r}", "Give the path of an image")
    for key in given:
        # An image has many keys; it is these that must not be misspelt.
        near = difflib.get_close_matches(str(key), _KEYS_THAT_COUNT, n=1, cutoff=0.75)
        if near and key not in _KEYS_THAT_COUNT:
            raise BadRequestError(f"src.{key} is not a key of src; {near[0]} is", "Correct it, or leave it out")
    path = given.get("path")
    if path is None and "path" in given:
        return "", ""
    if not path or not isinstance(path, str):
        raise BadRequestError(
            "src has no path",
            "Give the path of an image, or what goldsmith.kvm.image_customize or image_fetch returned as image",
        )
    digest = given.get("digest") or ""
    if digest and not str(digest).startswith("sha256:"):
        raise BadRequestError(f"the digest of src is not sha256:…, but {digest!r}", "Leave it out, or give its SHA-256")
    return os.path.realpath(os.path.expandvars(os.path.expanduser(path))), str(digest)


def _outputs(given: Sequence[Mapping[str, t.Any]], source: str) -> tuple[Output, ...]:
    if not given:
        raise BadRequestError("outputs is empty", "Give at least one, with dest and format")
    outputs: list[Output] = []
    for index, one in enumerate(given):
        where = f"outputs[{index}]"
        dest = os.path.abspath(one["dest"])
        dest = os.path.join(os.path.realpath(os.path.dirname(dest)), os.path.basename(dest))
        if one["dest"].endswith("/") or os.path.isdir(dest):
            raise BadRequestError(f"{where}.dest is a directory: {one['dest']}", "Give the path of a file")
        if len(os.path.basename(dest).encode()) > _LONGEST_NAME:
            raise BadRequestError(f"{where}.dest has too long a name", f"Use {_LONGEST_NAME} bytes at the most")
        if dest == source:
            raise BadRequestError(f"{where}.dest is the source itself: {dest}", "Give another path")
        if any(dest == other.dest for other in outputs):
            raise BadRequestError(f"{where}.dest is that of another output: {dest}", "Give each a path of its own")
        target = target_from(one, where)
        if target.machine is not None:
            package_name(dest)
        output = Output(dest, target)
        if source in output.beside:
            raise BadRequestError(*source_beside(source, dest))
        for other in outputs:
            _require_apart(output, other)
            _require_apart(other, output)
        outputs.append(output)
    return tuple(outputs)


def source_beside(source: str, dest: str) -> tuple[str, str]:
    """What is wrong where the source has the name of what lies beside an output, and the way out."""
    return f"{source} belongs to the source, and would be replaced or removed with {dest}", "Give another dest"


def _require_apart(one: Output, another: Output) -> None:
    if another.dest in one.beside:
        raise BadRequestError(
            f"{another.dest} is an output, and also a name beside the output {one.dest}",
            "Give one of the two another name",
        )
