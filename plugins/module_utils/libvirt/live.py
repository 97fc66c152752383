# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing domains while they run. A call is named by the aspects (``domain/model.py``), and carried out here."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ..common.cpuset import CpuSet
from .bindings import in_our_words, libvirt

_UNLIMITED = 9007199254740991
"""KiB: VIR_DOMAIN_MEMORY_PARAM_UNLIMITED, which the bindings do not have."""

Live = Callable[[t.Any, int, t.Any], None]
"""Gets libvirt's domain, the number of the vCPU or iothread, and the value."""


def call(name: str, handle: t.Any, index: int, value: t.Any) -> None:
    """Change the running domain. Raises LibvirtError."""
    with in_our_words(f"{handle.name()} could not be changed while it runs ({name})"):
        _CALLS[name](handle, index, value)


def obstacle(name: str, handle: t.Any) -> str | None:
    """Why the host can never do this call, as libvirt says it; None where nothing is known to be in its way."""
    ask = _QUESTIONS.get(name)
    if ask is None:
        return None
    try:
        ask(handle)
    except libvirt.libvirtError as error:
        return f"libvirt cannot change this while the domain runs: {error.get_error_message()}"
    return None


def _pin_vcpu(handle: t.Any, index: int, value: CpuSet) -> None:
    # The call without flags is for running domains only; libvirt's test driver takes no flag for it.
    handle.pinVcpu(index, _map(value))


def _pin_emulator(handle: t.Any, dummy: int, value: CpuSet) -> None:
    handle.pinEmulator(_map(value), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _pin_iothread(handle: t.Any, index: int, value: CpuSet) -> None:
    handle.pinIOThread(index, _map(value), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _set_hard_limit(handle: t.Any, dummy: int, value: int | str) -> None:
    kib = value // 1024 if isinstance(value, int) else _UNLIMITED
    handle.setMemoryParameters({libvirt.VIR_DOMAIN_MEMORY_HARD_LIMIT: kib}, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _set_stats_period(handle: t.Any, dummy: int, value: int | str) -> None:
    handle.setMemoryStatsPeriod(value if isinstance(value, int) else 0, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _map(cpus: CpuSet) -> tuple[bool, ...]:
    """As the bindings want it: whether each CPU is in the set, the host's other CPUs taken for absent."""
    return tuple(cpu in cpus.cpus for cpu in range(max(cpus.cpus) + 1))


_CALLS: dict[str, Live] = {
    "pin_vcpu": _pin_vcpu,
    "pin_emulator": _pin_emulator,
    "pin_iothread": _pin_iothread,
    "set_hard_limit": _set_hard_limit,
    "set_stats_period": _set_stats_period,
}

_QUESTIONS: dict[str, Callable[[t.Any], object]] = {
    # Where the host has no such cgroup controller, or libvirt may not use it.
    "set_hard_limit": lambda handle: handle.memoryParameters(libvirt.VIR_DOMAIN_AFFECT_LIVE),
}
