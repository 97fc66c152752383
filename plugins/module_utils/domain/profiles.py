# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that bundle wishes: data, each value with its reason, as docs/domains.md tells them.

Only what a domain can have on any host is in here. CPUs, huge pages and priorities depend on what the host has to give;
whoever wants them adds them to the profile, in the same wish.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from dataclasses import dataclass

ALL_DISKS = "disks"


@dataclass(frozen=True)
class Setting:
    """One value of a profile."""

    option: str
    """``OPTION.NAME`` of a wish; ``disks.NAME`` is for all disks that are no drives for CD-ROMs or floppies."""
    value: str | bool
    reason: str
    """A sentence."""


_NO_SECOND_CACHE = (
    "Does not keep twice, in the host's page cache and in the guest's, what the guest caches anyway, and makes latency "
    "steadier. It makes data no safer: what is flushed survives with the default as well."
)
_OWN_PAGES = "The kernel does not look for pages to merge (KSM), which the guest would wait for when it writes to one."

PROFILES: t.Final[dict[str, tuple[Setting, ...]]] = {
    "database": (
        Setting("memory_backing.nosharepages", True, _OWN_PAGES),
        Setting(
            "balloon.model",
            "none",
            "The host cannot take back memory that the database takes for its own, and the guest never waits for that. "
            "The price: a host short of memory swaps instead.",
        ),
        Setting("disks.cache", "none", _NO_SECOND_CACHE),
    ),
    "realtime": (
        Setting(
            "memory_backing.locked", True, "The host never swaps the guest's memory out, and it never waits for it."
        ),
        Setting(
            "memory_backing.hard_limit",
            "auto",
            "Without a limit QEMU might lock as much memory as it likes, at the expense of the host.",
        ),
        Setting("memory_backing.nosharepages", True, _OWN_PAGES),
        Setting(
            "balloon.model",
            "none",
            "Locked memory cannot be given back, and reclaiming would delay the guest.",
        ),
        Setting("disks.cache", "none", _NO_SECOND_CACHE),
    ),
    "throughput": (
        Setting("memory_backing.nosharepages", True, _OWN_PAGES),
        Setting("disks.cache", "none", _NO_SECOND_CACHE),
        Setting("disks.detect_zeroes", "off", "QEMU spends no CPU time on looking for zeros in what is written."),
    ),
    "density": (
        Setting("memory_backing.locked", False, "Locked memory cannot be given back to the host."),
        Setting(
            "memory_backing.hugepages",
            "none",
            "Huge pages cannot be given back to the host, and KSM merges nothing on them.",
        ),
        Setting("memory_backing.nosharepages", False, "KSM, where the host runs it, may merge equal pages of guests."),
        Setting("balloon.model", "virtio", "The device through which the host takes unused memory back."),
        Setting(
            "balloon.free_page_reporting", "on", "The guest tells of free pages by itself, and the host takes them."
        ),
        Setting("balloon.autodeflate", "on", "A guest out of memory gets some back before it kills processes."),
        Setting("disks.discard", "unmap", "What the guest trims is given back to the storage: thin images stay thin."),
        Setting(
            "disks.detect_zeroes",
            "unmap",
            "Zeros that are written take no space either. The price is CPU time of the host.",
        ),
    ),
}


def profile_options(name: str) -> dict[str, t.Any]:
    """A profile as the options of a wish, as if the user had written them."""
    options: dict[str, t.Any] = {}
    for option, knob, value in _split(name):
        if option == ALL_DISKS:
            (entry,) = options.setdefault(option, [{"match": {"all": True}}])
            entry[knob] = value
        else:
            options.setdefault(option, {})[knob] = {"size": value} if knob == "hugepages" else value
    return options


def _split(name: str) -> Iterator[tuple[str, str, str | bool]]:
    for setting in PROFILES[name]:
        option, dummy, knob = setting.option.partition(".")
        yield option, knob, setting.value
