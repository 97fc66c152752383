# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options by which modules ask for items of a catalog (``doc_fragments/catalog.py``)."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ..common.errors import BadRequestError
from .model import Request, Trust
from .publishers import PUBLISHERS

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")

# Ubuntu's names of what `uname -m` says.
_UBUNTU_ARCHES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "armv8l": "armhf",
    "ppc64le": "ppc64el",
    "i686": "i386",
}


def catalog_argument_spec() -> dict[str, t.Any]:
    """The options; what they need of each other is checked by :func:`request_from` and :func:`trust_from`."""
    return {
        "publisher": {"type": "str", "choices": list(PUBLISHERS), "default": "ubuntu"},
        "mirrors": {"type": "list", "elements": "str", "default": []},
        "release": {"type": "str", "default": "lts"},
        "lineage": {"type": "str", "choices": ["server", "minimal"], "default": "server"},
        "arch": {"type": "str"},
        "stream": {"type": "str", "choices": ["released", "daily"], "default": "released"},
        "file_type": {"type": "str", "default": "disk1.img"},
        "serial": {"type": "str", "default": "latest"},
        "file_name": {"type": "str"},
        "checksum_file": {"type": "str", "default": "SHA256SUMS"},
        "signature_file": {"type": "str"},
        "verify": {"type": "str", "choices": ["signature", "checksum", "none"], "default": "signature"},
        "checksum": {"type": "str"},
        "keyring": {"type": "path", "no_log": False},
        "fingerprints": {"type": "list", "elements": "str", "default": []},
    }


def request_from(params: Mapping[str, t.Any], machine_arch: str) -> Request:
    """What ``params`` ask for; ``machine_arch`` is the target's architecture as ``uname -m`` says it.

    Raises BadRequestError for what cannot be asked.
    """
    mirrors = tuple(params["mirrors"])
    for mirror in mirrors:
        _require_base_url(mirror)
    if params["publisher"] == "directory" and not mirrors:
        raise BadRequestError(
            "publisher: directory has no server of its own", "Give the URL of the directory in the option mirrors"
        )
    return Request(
        publisher=params["publisher"],
        mirrors=mirrors,
        release=params["release"],
        lineage=params["lineage"],
        arch=params["arch"] or ubuntu_arch(machine_arch),
        stream=params["stream"],
        file_type=params["file_type"],
        serial=params["serial"],
        file_name=params["file_name"] or "",
        checksum_file=params["checksum_file"],
        signature_file=params["signature_file"] or f"{params['checksum_file']}.gpg",
    )


def _require_base_url(mirror: str) -> None:
    """Raise BadRequestError for what paths cannot be appended to, and for a URL that has a password in it.

    URLs are shown in results, records and errors, so a refusal must not repeat the password either.
    """
    scheme, separator, rest = mirror.partition("://")
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise BadRequestError(
            f"the mirror {scheme}://…@{authority.rpartition('@')[2]} has credentials in its URL, which is shown in"
            " results and records",
            "Take them out of it, and give them in the options url_username and url_password",
        )
    if not separator:
        raise BadRequestError(f"the mirror {mirror!r} is not a URL", "Write it with its scheme, such as https://…")
    if "?" in rest or "#" in rest:
        raise BadRequestError(
            f"the mirror {re.split('[?#]', mirror, maxsplit=1)[0]} has a query or fragment in its URL, after which no"
            " path can stand",
            "Give the URL of a directory",
        )


def ubuntu_arch(machine_arch: str) -> str:
    """``amd64`` of ``x86_64``; names that are the same in both stay."""
    return _UBUNTU_ARCHES.get(machine_arch, machine_arch)


def trust_from(params: Mapping[str, t.Any]) -> Trust:
    """What ``params`` say has to be proved; raises BadRequestError for a digest or fingerprint that cannot be one."""
    checksum = (params["checksum"] or "").strip().lower()
    if params["verify"] == "checksum" and not checksum:
        raise BadRequestError("verify: checksum needs a digest", "Give it in the option checksum, as sha256:HEX")
    if checksum and params["verify"] != "checksum":
        raise BadRequestError(
            f"checksum is given, but with verify: {params['verify']} it would not be looked at",
            "Set verify: checksum, or leave checksum out",
        )
    if checksum and not _DIGEST.fullmatch(checksum):
        raise BadRequestError(
            f"{params['checksum']!r} is not a digest", "Write sha256: and 64 or sha512: and 128 hexadecimal digits"
        )
    return Trust(
        verify=params["verify"],
        checksum=checksum,
        keyring=params["keyring"] or "",
        fingerprints=tuple(_fingerprint(text) for text in params["fingerprints"]),
    )


def _fingerprint(text: str) -> str:
    fingerprint = re.sub(r"\s", "", text).upper()
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise BadRequestError(
            f"{text!r} is not the fingerprint of a key",
            "Write all its 40 (or 64) hexadecimal digits; a short key ID can be forged",
        )
    return fingerprint
