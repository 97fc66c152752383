# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How remarks name what they are about, without showing secrets."""

from __future__ import annotations

import re

from .model import Operation

_SECRET = re.compile(r"passw|passphrase|secret|token|credential|api[_-]?key|private[_-]?key|chpasswd", re.IGNORECASE)
# A name that says so, and a value.
_GIVEN = re.compile(
    r"(?:passw|passphrase|secret|token|credential|api[_-]?key|private[_-]?key)[\w\"']*\s*[:=]\s*[^\s:=]"
    r"|chpasswd|useradd\b.*\s(?:-p|--password)\b",
    re.IGNORECASE,
)
# What programs send to prove who they are: a header, an option of curl or wget, a URL with a password, or a key by its
# look. A value that the shell is to put in is none.
_CREDENTIAL = re.compile(
    r"\b(?:authorization\s*:\s*\w+|bearer)\s+[\w.~+/=-]{3,}"
    r"|\bauthorization\s*:\s*(?!(?:bearer|basic|token)\b)[^\s$\"']"
    r"|(?:^|\s)(?:-u\s*|--user[\s=]|--proxy-user[\s=])[\"']?(?!\d+:\d+\b)[^\s:$\"'/]+:[^\s:$\"'/]"
    r"|\b[a-z][a-z0-9+.-]*://[^\s/:@$]+:[^\s/@$]+@"
    r"|--(?:http-|ftp-|proxy-)?password[\s=][\"']?[^\s$\"']"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{20,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,})",
    re.IGNORECASE,
)
_LONGEST = 72


def holds_secret(text: str) -> bool:
    """Whether a secret stands in a text, as far as one can see."""
    return bool(_GIVEN.search(text) or _CREDENTIAL.search(text))


def may_hold_secret(text: str) -> bool:
    """Whether a text is better not shown."""
    return bool(_SECRET.search(text) or _CREDENTIAL.search(text))


def of_operation(operation: Operation) -> str:
    """``--mkdir /srv``; of what may hold a secret only the option, and of a password whose it is."""
    value = operation.value.source
    if operation.name in ("password", "root-password"):
        shown = re.match(r"(?:[^:]*:)?(?:lock(?:ed)?:)?(?:password:|file:|random|disabled?|lock(?:ed)?)", value)
        value = (shown[0] if shown else "") + ("…" if not shown or value != shown[0] else "")
    elif operation.name in ("sm-credentials", "key"):
        value = "…"
    return of_option(operation.name, value, secret=operation.name not in ("password", "root-password"))


def of_word(value: str) -> str:
    """An option or a word that is not known."""
    return shortened("…" if may_hold_secret(value) else value)


def shortened(value: str) -> str:
    value = " ".join(value.split())
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def of_option(name: str, value: str, *, secret: bool = True) -> str:
    """The same for any option."""
    dashes = "-" if len(name) == 1 else "--"
    if secret and may_hold_secret(value):
        value = "…"
    return f"{dashes}{name} {shortened(value)}".rstrip()
