# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For which bases a step is meant."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ..common.errors import BadRequestError

CONDITION_SPEC: Mapping[str, Mapping[str, t.Any]] = {
    "distribution": {
        "type": "list",
        "elements": "str",
        "description": "Distributions, as C(ID) in the base's C(/etc/os-release) has them, such as V(ubuntu).",
    },
    "version": {
        "type": "str",
        "description": """
            Versions, as C(VERSION_ID) there has them: one, as in V(24.04), or comparisons with commas between them that
            all have to hold, as in V(>=22.04,<25).
        """,
    },
}

_COMPARISON = re.compile(r"(?P<operator>==|!=|<=|>=|<|>)?\s*(?P<version>[0-9]+(?:\.[0-9]+)*)")
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")


@dataclass(frozen=True)
class System:
    """The operating system of a base."""

    distribution: str
    """``ID`` of os-release(5), such as ``ubuntu``."""
    version: str
    """``VERSION_ID``, such as ``24.04``; empty where there is none, as in Debian's testing."""


@dataclass(frozen=True)
class Condition:
    """What a base has to be."""

    distributions: tuple[str, ...] = ()
    """One of these; any where empty."""
    comparisons: tuple[tuple[str, str], ...] = ()
    """Operator and version; all have to hold."""

    def holds(self, system: System) -> bool:
        if self.distributions and system.distribution not in self.distributions:
            return False
        if not self.comparisons:
            return True
        if not _VERSION.fullmatch(system.version):
            return False
        return all(_compare(system.version, operator, version) for operator, version in self.comparisons)


def parse_condition(written: Mapping[str, t.Any]) -> Condition:
    """The condition that a user wrote; raises BadRequestError."""
    distributions = tuple(name.lower() for name in written.get("distribution") or ())
    comparisons = []
    for part in (written.get("version") or "").split(","):
        found = _COMPARISON.fullmatch(part.strip())
        if found:
            comparisons.append((found["operator"] or "==", found["version"]))
        elif part.strip() or written.get("version"):
            raise BadRequestError(
                f"version is neither a version nor comparisons with commas between them: {written['version']!r}",
                "Write it as '24.04' or '>=22.04,<25', in quotes",
            )
    if not distributions and not comparisons:
        raise BadRequestError("condition says nothing", "Give distribution, version, or both")
    condition = Condition(distributions, tuple(comparisons))
    if not _can_hold(condition):
        raise BadRequestError(
            f"no version is as version says: {written['version']!r}",
            "Write comparisons that can hold together, such as '>=22.04,<25'",
        )
    return condition


def _can_hold(condition: Condition) -> bool:
    """Whether any version fulfils all comparisons: between two that are named, all are alike."""
    named = ["0", *(version for dummy, version in condition.comparisons)]
    length = max(version.count(".") for version in named) + 1
    following = [version + ".0" * (length - version.count(".") - 1) + ".1" for version in named]
    return any(
        all(_compare(candidate, operator, version) for operator, version in condition.comparisons)
        for candidate in [*named, *following]
    )


def _compare(left: str, operator: str, right: str) -> bool:
    """Compare number by number, so that 9 comes before 10 and 12 is 12.0."""
    numbers = [[int(part) for part in version.split(".")] for version in (left, right)]
    length = max(len(version) for version in numbers)
    first, second = (version + [0] * (length - len(version)) for version in numbers)
    return {
        "==": first == second,
        "!=": first != second,
        "<": first < second,
        "<=": first <= second,
        ">": first > second,
        ">=": first >= second,
    }[operator]
