# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request for an extent of a file, and what the answer says about the file."""

from __future__ import annotations

from dataclasses import dataclass

from ..common.errors import TransferError
from ..common.host import Host, Response
from .ranges import parse_content_range, range_header
from .validators import Validators


class FileChangedError(Exception):
    """The server has another version of the file than the one that was begun."""


class RangesIgnoredError(Exception):
    """A broken connection cannot be gone on with: the file has to be asked for from its first byte on."""


@dataclass(frozen=True)
class Answer:
    """An open response and its reading. ``begin`` is where its first byte belongs in the file."""

    response: Response
    begin: int
    end: int | None
    """Where it ends, where the server tells."""
    total: int | None
    """Bytes of the whole file, where the server tells."""
    validators: Validators
    partial: bool


def ask(host: Host, url: str, begin: int, end: int | None = None, *, ranged: bool = True, if_range: str = "") -> Answer:
    """Open ``url`` at ``begin``; the answer begins there or at 0. Raises TransferError.

    With ``ranged`` false the whole file is asked for, without a Range, which an empty file could not satisfy.
    """
    headers = {}
    if ranged:
        headers["Range"] = range_header(begin, end)
        if if_range:
            headers["If-Range"] = if_range
    response = host.open_url(url, headers=headers)
    try:
        return _read_answer(url, begin, response)
    except TransferError:
        response.close()
        raise


def _read_answer(url: str, asked: int, response: Response) -> Answer:
    validators = Validators.of(response.headers)
    length = (response.headers.get("Content-Length") or "").strip()
    if response.status != 206:
        total = int(length) if length.isdecimal() else None
        return Answer(response, 0, total, total, validators, partial=False)
    header = response.headers.get("Content-Range") or ""
    content = parse_content_range(header)
    if content is None or content.begin != asked:
        raise TransferError(f"{url} was asked for the bytes from {asked} on and answered with Content-Range {header!r}")
    if length.isdecimal() and int(length) != content.end - content.begin:
        raise TransferError(f"{url} contradicts itself: Content-Range {header!r}, Content-Length {length}")
    return Answer(response, content.begin, content.end, content.total, validators, partial=True)


@dataclass(frozen=True)
class Version:
    """The version of the file that a transfer has settled on."""

    url: str
    total: int | None
    validators: Validators
    ranged: bool
    """Whether the server has answered a Range."""
    resumable: bool
    """Whether bytes of several answers may be put together: a digest or a strong ETag tells if they fit."""

    def ask(self, host: Host, begin: int, end: int | None) -> Answer:
        """Open this version at ``begin``. Raises TransferError, FileChangedError or RangesIgnoredError."""
        if begin and not self.resumable:
            raise RangesIgnoredError
        ranged = self.ranged or begin > 0
        answer = ask(host, self.url, begin, end, ranged=ranged, if_range=self.validators.if_range)
        if answer.begin != begin or self.contradicts(answer):
            answer.response.close()
            if self.contradicts(answer):
                raise FileChangedError
            raise RangesIgnoredError
        return answer

    def contradicts(self, answer: Answer) -> bool:
        """Whether the answer belongs to another version."""
        if answer.total is not None and self.total is not None and answer.total != self.total:
            return True
        return self.validators.contradicts(answer.validators)
