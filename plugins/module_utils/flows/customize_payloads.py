# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that steps name: their digests, their way into the store, and where engines find them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..common.errors import BadRequestError, StoreError, VerificationError
from ..common.tree import archive_digest, write_archive
from ..recipe.model import TREE, Step
from ..recipe.operations import StepOperations
from ..store.digests import digest_of, recall_digest
from ..store.files import hash_file, refusal
from ..store.layout import Layout
from ..store.payloads import Payloads
from .customize_request import Sent

_LONGEST_TEXT = 64 * 1024
_SHORTEST_LINE = 8
"""Shorter ones, such as braces, are in every output."""


@dataclass(frozen=True)
class Payload:
    """A file that a step names."""

    step: Step
    place: str
    """``src``, or ``src.0`` in a list."""
    path: str
    """On the target with ``remote_src``, else as the user wrote it."""

    @property
    def key(self) -> str:
        return self.step.payload_key(self.place)

    @property
    def label(self) -> str:
        return f"{self.place} of step {self.step.label}"

    @property
    def packed(self) -> bool:
        """Whether an archive is made of it."""
        return self.step.file_kind(self.place) == TREE


def payloads_of(steps: Sequence[Step]) -> Iterator[Payload]:
    """Every file that these steps name."""
    for step in steps:
        for place, path in step.files():
            yield Payload(step, place, path)


def payload_digest(layout: Layout, sent: Sent, payload: Payload, check_mode: bool) -> str:
    """The digest of a step's file: the target's own, or as the controller told."""
    if payload.step.remote:
        return _own_digest(layout, payload, check_mode)
    if payload.key in sent.digests:
        return sent.digests[payload.key]
    if payload.key in sent.absent:
        raise BadRequestError(*sent.absent[payload.key])
    raise BadRequestError(
        f"{payload.label} is a file of the controller, which only the module's action plugin can send",
        "Run it as a task of a play, or use remote_src: true",
    )


def _own_digest(layout: Layout, payload: Payload, check_mode: bool) -> str:
    path = payload.path.rstrip("/") if payload.packed else payload.path
    if os.path.isdir(path) and not payload.packed:
        raise BadRequestError(
            f"{payload.label} is a directory of this host: {path}",
            "Name a single file, or put the directory in by a step copy_in",
        )
    if not os.path.isfile(path) and not (payload.packed and os.path.isdir(path)):
        raise BadRequestError(
            f"{payload.label} is no file of this host: {path}",
            "Give the right path, or leave out remote_src for a file of the controller",
        )
    if not payload.packed:
        return digest_of(layout, path, remember=not check_mode)
    try:
        return archive_digest(path)
    except BadRequestError as error:
        raise BadRequestError(f"{payload.label}: {error.cause}", error.way_out) from error


def missing_payloads(layout: Layout, payloads: Sequence[Payload], digests: Mapping[str, str]) -> list[str]:
    """Keys of the files that the controller has to send: one for each content that the store lacks."""
    wanted = {digests[payload.key]: payload.key for payload in payloads if not payload.step.remote}
    return sorted(wanted[digest] for digest in Payloads(layout).missing(wanted))


def adopt_sent(layout: Layout, sent: Sent, payloads: Sequence[Payload], digests: Mapping[str, str]) -> None:
    """Take what the controller has sent into the store."""
    for key in missing_payloads(layout, payloads, digests):
        if sent.directory is None:
            raise StoreError(f"the payload {key} has vanished from the store", "Run the task again")
        Payloads(layout).adopt(os.path.join(sent.directory, key), digests[key])


def host_paths(
    layout: Layout, payloads: Sequence[Payload], digests: Mapping[str, str], directory: str
) -> dict[int, dict[str, str]]:
    """Path on this host of each file, by step and place; archives of the target's own are made in ``directory``."""
    paths: dict[int, dict[str, str]] = {}
    for payload in payloads:
        if not payload.step.remote:
            path = Payloads(layout).use(digests[payload.key])
        elif payload.packed:
            path = os.path.join(directory, f"{payload.key}.tar")
            _pack(payload, path, digests[payload.key])
        else:
            path = os.path.abspath(payload.path)
        paths.setdefault(payload.step.index, {})[payload.place] = path
    return paths


def with_secret_lines(
    steps: Sequence[StepOperations], payloads: Sequence[Payload], paths: Mapping[int, Mapping[str, str]]
) -> list[StepOperations]:
    """The steps, with the lines of the files among their secrets whose content is one, where that is a short text."""
    lines: dict[int, frozenset[str]] = {}
    for payload in payloads:
        if payload.step.has_secret_files():
            index = payload.step.index
            lines[index] = lines.get(index, frozenset()) | _secret_lines(paths[index][payload.place])
    return [replace(step, secrets=step.secrets | lines.get(step.index, frozenset())) for step in steps]


def _secret_lines(path: str) -> frozenset[str]:
    try:
        with open(path, "rb") as file:
            content = file.read(_LONGEST_TEXT + 1)
    except OSError as error:
        raise StoreError("a file that is a secret cannot be read", "Let this user read it") from error
    try:
        text = content.decode() if len(content) <= _LONGEST_TEXT and b"\0" not in content else ""
    except UnicodeDecodeError:
        return frozenset()
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if len(line) >= _SHORTEST_LINE)


def _pack(payload: Payload, path: str, digest: str) -> None:
    try:
        with open(path, "wb") as file:
            write_archive(payload.path, file)
    except OSError as error:
        raise refusal(path, error) from error
    if hash_file(path) != digest:
        raise VerificationError(
            f"{payload.path} of step {payload.step.label} was changed while this task ran",
            "Run again while nothing writes there",
        )


def changed_since(layout: Layout, payloads: Sequence[Payload], digests: Mapping[str, str]) -> list[str]:
    """The target's own files that are not what they were when the digests were taken, in words."""
    # What was packed has been looked at then.
    files = [payload for payload in payloads if payload.step.remote and not payload.packed]
    return [
        f"{payload.path} of step {payload.step.label}"
        for payload in files
        if recall_digest(layout, payload.path) != digests[payload.key]
    ]
