# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into a finished image for what must not be there."""

from __future__ import annotations

import json
import os
import re
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..audit import raw_search
from ..audit.forms import SHORTEST
from ..audit.model import Allowance, Context, Disk, Expected, Hit, Secret
from ..audit.registry import RULES, allowance, require_rule
from ..audit.report import Report, audit, printable
from ..audit.rules.access import keys
from ..common.errors import BadRequestError
from ..common.host import Host
from ..common.paths import refuse_empty
from ..disk import qemu_img
from ..disk.own_layers import own_layers
from ..guest.guest import Guest, opened
from ..guest.owners import owners

_ACCOUNT = re.compile(r"[^\s:/]+")

ALLOW_SPEC: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "rule": {"type": "str", "required": True},
        "paths": {"type": "list", "elements": "str", "default": ["*"]},
        "reason": {"type": "str", "required": True},
    },
}
"""The option for exceptions, for every module that audits."""


def parse_allow(given: Sequence[Mapping[str, t.Any]], place: str = "allow") -> tuple[Allowance, ...]:
    """The exceptions of :data:`ALLOW_SPEC`. Raises BadRequestError that names the ``place``."""
    return tuple(
        allowance(f"{place}[{index}]", entry["rule"], tuple(entry["paths"]), entry["reason"])
        for index, entry in enumerate(given)
    )


def audit_image(
    host: Host,
    *,
    image: str,
    image_format: str,
    workdir: str,
    expected: Expected,
    rules: Sequence[str] | None = None,
) -> Report:
    """Look into an image, whose file is only read; ``workdir`` takes a raw copy of it meanwhile.

    ``rules``: the names of those that are wanted; None: all. What is found is no error: see :attr:`Report.failed`.
    Raises a GoldsmithError where the image cannot be read, or a rule is unknown.
    """
    for name in rules or ():
        require_rule(name, "rules")
    chosen = [rule for rule in RULES.values() if rules is None or rule.name in rules]
    names = {rule.name for rule in chosen}
    expected = replace(expected, allow=tuple(found for found in expected.allow if found.rule in names))
    with opened(host, image, image_format, workdir) as guest:
        # What cannot be read is not proved to be free of anything.
        tree = guest.tree
        found = raw_search.search(guest.raw_path, expected.secrets if "secrets" in names else ())
        snapshots = _snapshots(host, image, image_format) if "snapshots" in names else ()
        for label in found.not_searched:
            host.warn(f"{printable(label)} is not searched for in the image: it has fewer than {SHORTEST} characters")
        disk = Disk(_located(host, guest, found.hits), found.countless, guest.hidden, snapshots)
        report = audit(Context(tree, expected, disk), chosen, found.not_searched)
        if "unread" not in names:
            guest.require_nothing_missed()
        return report


def _located(host: Host, guest: Guest, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    files = owners(host, guest, [hit.offset for hit in hits]) if hits else {}
    return tuple(replace(hit, path=files.get(hit.offset)) for hit in hits)


def _snapshots(host: Host, image: str, image_format: str) -> tuple[str, ...]:
    """Names of the snapshots inside the image's own file; one without is called by its number."""
    argv = [host.require("qemu-img", qemu_img.PACKAGE), "info", "-U", "-f", image_format, "--output=json", image]
    found = json.loads(host.run(argv).checked().stdout)
    return tuple(snapshot["name"] or snapshot["id"] for snapshot in found.get("snapshots", ()))


def audit_info_spec() -> dict[str, t.Any]:
    """The options of ``image_audit_info``."""
    return {
        "path": {"type": "path", "required": True},
        "format": {"type": "str", "choices": ["qcow2", "raw", "vmdk", "vhdx", "vpc", "vdi", "qcow", "qed"]},
        "rules": {"type": "list", "elements": "str", "choices": list(RULES), "default": list(RULES)},
        "generalised": {"type": "bool", "default": True},
        "passwords": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "authorized_keys": {"type": "dict", "default": {}, "no_log": False},
        "files": {"type": "list", "elements": "str", "default": []},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "allow": ALLOW_SPEC,
        "workdir": {"type": "path", "default": "/var/tmp"},
    }


def audit_info(host: Host, params: Mapping[str, t.Any], dummy: bool) -> dict[str, t.Any]:
    """What ``image_audit_info`` does and returns; ``params`` are those of :func:`audit_info_spec`.

    Check mode is no different.
    """
    refuse_empty(params, "path", "workdir")
    path = os.path.realpath(params["path"])
    if not params["rules"]:
        raise BadRequestError("rules is empty, and nothing would be looked for", "Leave it out for all of them")
    expected = Expected(
        generalised=params["generalised"],
        passwords={_account("passwords", user): "" for user in params["passwords"]},
        authorized_keys={
            _account("authorized_keys", user): frozenset(_lines(user, given))
            for user, given in params["authorized_keys"].items()
        },
        files=tuple(params["files"]),
        secrets=tuple(_secret(name, text) for name, text in params["secrets"].items()),
        allow=parse_allow(params["allow"]),
    )
    report = audit_image(
        host,
        image=path,
        image_format=own_layers(host, path, params["format"])[0].format,
        workdir=params["workdir"],
        expected=expected,
        rules=params["rules"],
    )
    return {"changed": False, "path": path, **report.as_dict(), "report": report.text().splitlines()}


def _account(option: str, name: t.Any) -> str:
    """A user's name. Images of others have some that no step of a recipe would give."""
    if not _ACCOUNT.fullmatch(str(name)):
        raise BadRequestError(f"{option} has {name!r}, which is no user's name", "Write it as in /etc/passwd")
    return str(name)


def _secret(name: t.Any, text: t.Any) -> Secret:
    """One to look for; nothing of its text is told."""
    if not str(name or "").strip():
        raise BadRequestError("secrets has a text without a name", "Write {NAME: TEXT}; the report has the name")
    if not isinstance(text, str):
        raise BadRequestError(
            f"{printable(f'secrets.{name}')} is no text, and how it is written in the image cannot be told",
            "Write it in quotes",
        )
    if not text.strip():
        raise BadRequestError(
            f"{printable(f'secrets.{name}')} is empty or blank", "Look where it comes from, or leave it out"
        )
    return Secret(str(name), text)


def _lines(user: str, given: t.Any) -> Sequence[str]:
    """The keys of a user, as a list or as the text of a file."""
    if not isinstance(given, (str, list, tuple)):
        raise BadRequestError(
            f"authorized_keys.{user} is neither a list nor a text", "Write it as {NAME: [ssh-ed25519 AAAA…]}"
        )
    texts = [given] if isinstance(given, str) else [str(key) for key in given]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    for line in lines:
        if line and not line.startswith("#") and not keys(line):
            raise BadRequestError(
                f"authorized_keys.{user} has a line without a key: {line[:40]!r}",
                "Give the whole line, such as ssh-ed25519 AAAA… ops@example.com",
            )
    return lines
