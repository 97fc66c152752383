# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing domains while they run. A call is named by the aspects (``domain/model.py``), and carried out here."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..common.cpuset import CpuSet
from ..common.size import format_size
from .bindings import LibvirtError, in_our_words, libvirt

_UNLIMITED = 9007199254740991
"""KiB: VIR_DOMAIN_MEMORY_PARAM_UNLIMITED, which the bindings do not have."""
_MARGIN = 1.05
"""How much more than what QEMU has now its limit has to be: it goes on working."""

_BANDWIDTH = tuple(f"{whose}_{name}" for whose in ("emulator", "iothread", "global") for name in ("period", "quota"))
"""As options and libvirt's parameters are called alike; those of vCPUs are not."""

Live = Callable[[t.Any, int, t.Any], None]
"""Gets libvirt's domain, the number of the vCPU or iothread, and the value."""


def call(name: str, handle: t.Any, index: int, value: t.Any) -> None:
    """Change the running domain. Raises LibvirtError."""
    with in_our_words(f"{handle.name()} could not be changed while it runs ({name})"):
        _CALLS[name](handle, index, value)


OF_SEVERAL_PARTS: t.Final = ("set_iothreads",)
"""Calls that may fail half-way."""


def undoing(name: str, handle: t.Any, index: int, value: t.Any) -> Callable[[], None]:
    """What takes a call back that is going to be made; ``value`` is what there is before it. Raises LibvirtError."""
    if name not in OF_SEVERAL_PARTS:
        return functools.partial(call, name, handle, index, value)
    # Their numbers may have gaps, and they have pins.
    with in_our_words(f"the iothreads of {handle.name()} cannot be read"):
        threads = {thread[0]: thread[1] for thread in handle.ioThreadInfo(libvirt.VIR_DOMAIN_AFFECT_LIVE)}
    return functools.partial(call, "restore_iothreads", handle, index, threads)


@dataclass(frozen=True)
class Ability:
    """What libvirt can change of a running domain."""

    obstacles: Mapping[str, str]
    """By name of a call that this host can never do, why, as libvirt says it."""
    in_effect: Mapping[str, int]
    """By name of a call, what it would replace where the definition says nothing."""


def ability(handle: t.Any, names: Iterable[str]) -> Ability:
    """Ask what could be in the way of these calls. Each question is put once."""
    obstacles: dict[str, str] = {}
    in_effect: dict[str, int] = {}
    answers: dict[object, Mapping[str, t.Any] | str] = {}
    for name in names:
        ask = _QUESTIONS.get(name)
        if ask is None:
            continue
        if ask not in answers:
            try:
                answers[ask] = ask(handle)
            except libvirt.libvirtError as error:
                answers[ask] = f"libvirt cannot change this while the domain runs: {error.get_error_message()}"
        answer = answers[ask]
        if isinstance(answer, str):
            obstacles[name] = answer
        elif name == "set_shares" and "cpu_shares" in answer:
            in_effect[name] = answer["cpu_shares"]
    return Ability(obstacles, in_effect)


def _pin_vcpu(handle: t.Any, index: int, value: CpuSet) -> None:
    # The call without flags is for running domains only; libvirt's test driver takes no flag for it.
    handle.pinVcpu(index, _map(value))


def _pin_emulator(handle: t.Any, dummy: int, value: CpuSet) -> None:
    handle.pinEmulator(_map(value), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _pin_iothread(handle: t.Any, index: int, value: CpuSet) -> None:
    handle.pinIOThread(index, _map(value), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _set_hard_limit(handle: t.Any, dummy: int, value: int | str) -> None:
    kib = value // 1024 if isinstance(value, int) else _UNLIMITED
    resident = handle.memoryStats().get("rss", 0)
    if kib < resident * _MARGIN:
        raise LibvirtError(
            f"hard_limit of {handle.name()} cannot be {format_size(kib * 1024)} while it runs: QEMU has "
            f"{format_size(resident * 1024)} of memory now, and the kernel would kill it",
            "Give more; hard_limit: auto has room for QEMU as well",
        )
    handle.setMemoryParameters({libvirt.VIR_DOMAIN_MEMORY_HARD_LIMIT: kib}, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _set_stats_period(handle: t.Any, dummy: int, value: int | str) -> None:
    handle.setMemoryStatsPeriod(value if isinstance(value, int) else 0, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _scheduler_parameter(name: str) -> Live:
    def set_it(handle: t.Any, dummy: int, value: int) -> None:
        handle.setSchedulerParametersFlags({name: value}, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    return set_it


def _set_iothreads(handle: t.Any, dummy: int, value: int) -> None:
    """As the definition has it: the lowest free numbers come, and the highest go."""
    there = sorted(thread[0] for thread in handle.ioThreadInfo(libvirt.VIR_DOMAIN_AFFECT_LIVE))
    for number in range(1, value + 1 + len(there)):
        if number not in there and len(there) < value:
            handle.addIOThread(number, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            there.append(number)
    for number in sorted(there)[value:]:
        handle.delIOThread(number, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _restore_iothreads(handle: t.Any, dummy: int, value: Mapping[int, t.Sequence[bool]]) -> None:
    """Those of these numbers, the ones that come back with their pins."""
    flag = libvirt.VIR_DOMAIN_AFFECT_LIVE
    there = {thread[0] for thread in handle.ioThreadInfo(flag)}
    for number in sorted(there - value.keys()):
        handle.delIOThread(number, flag)
    for number in sorted(value.keys() - there):
        handle.addIOThread(number, flag)
        if not all(value[number]):
            handle.pinIOThread(number, tuple(value[number]), flag)


def _set_nodeset(handle: t.Any, dummy: int, value: CpuSet) -> None:
    handle.setNumaParameters({libvirt.VIR_DOMAIN_NUMA_NODESET: str(value)}, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _map(cpus: CpuSet) -> tuple[bool, ...]:
    """As the bindings want it: whether each CPU is in the set, the host's other CPUs taken for absent."""
    return tuple(cpu in cpus.cpus for cpu in range(max(cpus.cpus) + 1))


def _scheduler_parameters(handle: t.Any) -> Mapping[str, t.Any]:
    return dict(handle.schedulerParametersFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE))


def _memory_parameters(handle: t.Any) -> Mapping[str, t.Any]:
    return dict(handle.memoryParameters(libvirt.VIR_DOMAIN_AFFECT_LIVE))


_CALLS: dict[str, Live] = {
    "pin_vcpu": _pin_vcpu,
    "pin_emulator": _pin_emulator,
    "pin_iothread": _pin_iothread,
    "set_hard_limit": _set_hard_limit,
    "set_stats_period": _set_stats_period,
    "set_shares": _scheduler_parameter("cpu_shares"),
    "set_period": _scheduler_parameter("vcpu_period"),
    "set_quota": _scheduler_parameter("vcpu_quota"),
    **{f"set_{name}": _scheduler_parameter(name) for name in _BANDWIDTH},
    "set_iothreads": _set_iothreads,
    "restore_iothreads": _restore_iothreads,
    "set_nodeset": _set_nodeset,
}

# Where the host has no such cgroup controller, or libvirt may not use it.
_QUESTIONS: dict[str, Callable[[t.Any], Mapping[str, t.Any]]] = {
    "set_hard_limit": _memory_parameters,
    **{f"set_{name}": _scheduler_parameters for name in ("shares", "period", "quota")},
    **{f"set_{name}": _scheduler_parameters for name in _BANDWIDTH},
    "set_nodeset": _scheduler_parameters,
}
