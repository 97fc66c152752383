# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of rules in ``docs/audit.md``, from the rules themselves.

``python -m tests.tools.audit_page`` writes it.
"""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import ALWAYS
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.registry import RULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "audit.md"
_TABLE = re.compile(r"^\| rule \|.*\n(?:\|.*\n)+", re.MULTILINE)


def renewed(page: str) -> str:
    """The page with the table as it has to be."""
    rows = ["| rule | counts | what holds of a good image | if it does not |", "|---|---|---|---|"]
    for rule in RULES.values():
        counts = "always" if rule.scope == ALWAYS else "if generalised"
        rows.append(f"| `{rule.name}` | {counts} | {' '.join(rule.description.split())} | {_way_out(rule.way_out)} |")
    return _TABLE.sub(lambda dummy: "".join(f"{row}\n" for row in rows), page, count=1)


def _way_out(text: str) -> str:
    # An option with its value is code to a reader.
    return re.sub(r"\b(disabled: true|in_image: true|mode: o-w)\b", r"`\1`", text) + "."


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
