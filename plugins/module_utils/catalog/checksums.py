# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that state digests: the output of GNU sha256sum and of BSD sha256."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from ..common.errors import BadRequestError, VerificationError

_ALGORITHM_OF_LENGTH = {64: "sha256", 128: "sha512"}
_BSD = re.compile(r"(?P<algorithm>SHA256|SHA512) ?\((?P<name>.+)\) ?= ?(?P<hex>[0-9a-fA-F]+)")
_GNU = re.compile(r"(?P<hex>[0-9a-fA-F]+) [ *](?P<name>.+)")
_NAMES_SHOWN = 8


def parse_checksums(content: bytes, url: str) -> dict[str, str]:
    """``sha256:…`` or ``sha512:…`` by file name, of the lines of a checksum file.

    Read are ``HEX  name``, ``HEX *name`` and ``SHA256 (name) = HEX``. A ``./`` before a name is dropped. What is
    neither SHA-256 nor SHA-512 is skipped, as are comments and empty lines. Where a name has both, the SHA-512 counts.
    Raises VerificationError when two lines disagree about a name, or when there is no line with a digest.
    """
    digests: dict[str, str] = {}
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        stated = _statement(line.strip())
        if stated is None:
            continue
        name, digest = stated
        other = digests.get(name, digest)
        if other != digest and other.split(":")[0] == digest.split(":")[0]:
            raise VerificationError(
                f"{url} states two digests for {name}: {other} and {digest}", "Ask its publisher which one is right"
            )
        digests[name] = max(other, digest)
    if not digests:
        raise VerificationError(
            f"{url} has no line with a SHA-256 or SHA-512 digest", "Name the right file in the option checksum_file"
        )
    return digests


def _statement(line: str) -> tuple[str, str] | None:
    if line.startswith("#"):
        return None
    match = _BSD.fullmatch(line) or _GNU.fullmatch(line)
    if match is None:
        return None
    algorithm = _ALGORITHM_OF_LENGTH.get(len(match["hex"]))
    if algorithm is None or match.groupdict().get("algorithm", algorithm.upper()) != algorithm.upper():
        return None
    name = match["name"]
    while name.startswith("./"):
        name = name[2:]
    return name, f"{algorithm}:{match['hex'].lower()}"


def digest_of(digests: Mapping[str, str], name: str, url: str) -> str:
    """The digest of ``name``; raises BadRequestError that lists similar names of the checksum file ``url``."""
    if name in digests:
        return digests[name]
    similar = difflib.get_close_matches(name, digests, n=_NAMES_SHOWN, cutoff=0.5) or sorted(digests)[:_NAMES_SHOWN]
    raise BadRequestError(f"{url} has no digest for {name}", f"It has, among {len(digests)}: {', '.join(similar)}")
