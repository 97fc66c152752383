# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of CPUs, and of whatever else libvirt numbers, in the form ``0-3,^2,8``."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import BadRequestError

LIMIT = 16384
"""No CPU has this number: libvirt's own limit (VIR_DOMAIN_CPUMASK_LEN)."""
_PART = re.compile(r"(?P<without>\^?)(?P<first>[0-9]+)(?:-(?P<last>[0-9]+))?")


@dataclass(frozen=True)
class CpuSet:
    """Which CPUs. Two are equal when they hold the same CPUs, however they were written."""

    cpus: frozenset[int]

    @classmethod
    def of(cls, cpus: Iterable[int]) -> CpuSet:
        return cls(frozenset(cpus))

    @classmethod
    def parse(cls, text: str, option: str) -> CpuSet:
        """The set that ``text`` stands for; ``^2`` and ``^4-5`` take out what stands before them, as in libvirt.

        Raises BadRequestError, which names ``option``, for what is no such set, and for one that holds nothing.
        """
        return cls(_parsed(text.strip(), option))

    @classmethod
    def parse_kernel(cls, text: str) -> CpuSet:
        """The list of a file of /proc or /sys, which may be empty. Raises BadRequestError for anything else."""
        return cls.parse(text, "a list of CPUs of the kernel") if text.strip() else cls(frozenset())

    def __str__(self) -> str:
        """As libvirt writes it: sorted, with ranges from two CPUs on."""
        runs: list[list[int]] = []
        for cpu in sorted(self.cpus):
            if runs and cpu == runs[-1][-1] + 1:
                runs[-1][1:] = [cpu]
            else:
                runs.append([cpu])
        return ",".join("-".join(map(str, run)) for run in runs)

    def __bool__(self) -> bool:
        return bool(self.cpus)

    def __sub__(self, other: CpuSet) -> CpuSet:
        return CpuSet(self.cpus - other.cpus)

    def __and__(self, other: CpuSet) -> CpuSet:
        return CpuSet(self.cpus & other.cpus)


@functools.cache
def _parsed(text: str, option: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise BadRequestError(
                f"{option} is {text!r}, which is no set of CPUs",
                "Write numbers and ranges with commas between them, such as 0-3,8 or 0-7,^2",
            )
        # A number with very many digits is not worth to be read.
        first, last = (int(digits[:9]) for digits in (match["first"], match["last"] or match["first"]))
        if last < first:
            raise BadRequestError(
                f"{option} is {text!r}, and {part.strip()} runs backwards", f"Write {last}-{first} if that is meant"
            )
        if last >= LIMIT:
            raise BadRequestError(
                f"{option} is {text!r}, and libvirt numbers CPUs up to {LIMIT - 1} only", "Name CPUs of the host"
            )
        if match["without"]:
            found.difference_update(range(first, last + 1))
        else:
            found.update(range(first, last + 1))
    if not found:
        raise BadRequestError(f"{option} is {text!r}, which holds no CPU at all", "Name at least one")
    return frozenset(found)
