# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest's report says. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .model import CloudInit, Disk, FailedUnit, HostKey, OrderingCycle
from .qemu import MAC

Sections = Mapping[str, Sequence[str]]

_STAGES = ("init-local", "init", "modules-init", "modules-config", "modules-final")
_ADDRESS = re.compile(r"^[0-9]+: (\S+) +inet6? ([0-9a-f.:]+)/")
_LINK = re.compile(r"^[0-9]+: ([^\s@:]+)(?:@([^\s:]+))?: ")
_MASTER = re.compile(r" master (\S+) ")
_LOG_PREFIX = re.compile(r"^\S+ \S+ - (?:\S+\[(?:WARNING|ERROR|CRITICAL)\]: )?")
# src/core/transaction.c of systemd; from 257 on the whole cycle stands on one line.
_JOB_OF_CYCLE = re.compile(r"(\S+)/[a-z-]+(?=\s|$)")
_CYCLE = "Found ordering cycle"
_SKIPPED = re.compile(r"Job (\S+)/[a-z-]+ deleted to break ordering cycle|Unable to break cycle starting with (\S+)/")
_LEVELS = ("CRITICAL", "ERROR", "WARNING")
"""Of recoverable errors. DEPRECATED ones are advice."""


@dataclass(frozen=True)
class Evidence:
    """What the guest told of itself."""

    ended: bool
    """Whether systemd had ended the boot."""
    unfinished_jobs: tuple[str, ...]
    uptime: float | None
    """Seconds since the kernel began, when the guest reported."""
    initrd_at: float | None
    userspace_at: float | None
    finished_at: float | None
    """Seconds since the kernel began."""
    cloud_init: CloudInit
    failed_units: tuple[FailedUnit, ...]
    ordering_cycles: tuple[OrderingCycle, ...]
    kernel: str
    machine_id: str
    address: str | None
    sshd: bool
    host_keys: tuple[HostKey, ...]
    logins: tuple[str, ...]
    """Users who may log in with the key of the run."""
    disk: Disk | None


def complete(text: str) -> str | None:
    """The first whole report in ``text``; None as long as there is none."""
    report, end, dummy = f"\n{text}".partition("\nend\n")
    return report[1:] if end else None


def sections(report: str) -> dict[str, list[str]]:
    """The lines of each section."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in report.replace("\r", "").splitlines():
        if line.startswith(" "):
            lines.append(line[1:])
        else:
            lines = found.setdefault(line, [])
    return found


def read_report(report: str) -> Evidence:
    """What :func:`complete` found, understood. What a guest does not know is None or empty."""
    told = sections(report)
    stamps = _stamps(told)
    state = _first(told, "state")
    return Evidence(
        ended=state not in ("initializing", "starting"),
        unfinished_jobs=tuple(line.split()[1] for line in told.get("jobs", []) if len(line.split()) > 2),
        uptime=_number(_first(told, "uptime").partition(" ")[0]),
        initrd_at=stamps.get("InitRDTimestampMonotonic"),
        userspace_at=stamps.get("UserspaceTimestampMonotonic"),
        finished_at=stamps.get("FinishTimestampMonotonic"),
        cloud_init=_cloud_init(told),
        failed_units=tuple(_failed_unit(line) for line in told.get("failed-units", []) if line.strip()),
        ordering_cycles=_ordering_cycles(told.get("ordering-cycles", [])),
        kernel=_first(told, "kernel"),
        machine_id=_first(told, "machine-id"),
        address=_address(told),
        sshd="active" in told.get("sshd", []),
        host_keys=tuple(key for key in map(host_key, told.get("host-keys", [])) if key is not None),
        logins=tuple(sorted(told.get("logins", []), key=lambda name: name == "root")),
        disk=_disk(told),
    )


def host_key(line: str) -> HostKey | None:
    """A line of a ``ssh_host_*_key.pub``, with the fingerprint that ``ssh-keygen -l`` shows; None where it is none."""
    kind, dummy, rest = line.strip().partition(" ")
    key = rest.partition(" ")[0]
    try:
        blob = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not blob[4:].startswith(kind.encode()) or not kind:
        return None
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return HostKey(kind, f"SHA256:{digest}", f"{kind} {key}")


def _first(told: Sections, name: str) -> str:
    lines = told.get(name) or [""]
    return lines[0].strip()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _stamps(told: Sections) -> dict[str, float]:
    found = {}
    for line in told.get("stamps", []):
        name, dummy, value = line.partition("=")
        if value.isdigit() and int(value):
            found[name] = int(value) / 1e6
    return found


def _address(told: Sections) -> str | None:
    devices = _devices(told)
    pairs = [found.groups() for found in map(_ADDRESS.search, told.get("addresses", [])) if found]
    addresses = [address for device, address in pairs if device in devices]
    # IPv4 first: only that is forwarded.
    return min(addresses, key=lambda address: ":" in address, default=None)


def _devices(told: Sections) -> set[str]:
    """The network card, and what lies on it: a bridge, a bond, a VLAN. Docker's bridge, for one, does not."""
    devices: set[str] = set()
    above: list[tuple[str, str]] = []
    for line in told.get("links", []):
        found, master = _LINK.search(line), _MASTER.search(line)
        if found:
            devices |= {found[1]} if MAC in line else set()
            above += [(found[1], found[2] or ""), *([(master[1], found[1])] if master else [])]
    for dummy in above:
        devices |= {upper for upper, lower in above if lower in devices}
    return devices


def _disk(told: Sections) -> Disk | None:
    for line in told.get("disk", []):
        numbers = line.split()
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            return Disk(int(numbers[0]), int(numbers[1]))
    return None


def _failed_unit(line: str) -> FailedUnit:
    name, dummy, said = line.partition(" ")
    return FailedUnit(name, said.strip())


def _ordering_cycles(lines: Sequence[str]) -> tuple[OrderingCycle, ...]:
    """Each cycle is told by its units, and ended by the one that was not started."""
    cycles: list[OrderingCycle] = []
    units: list[str] = []
    for line in lines:
        skipped = _SKIPPED.search(line)
        if skipped:
            left_out = skipped[1] or skipped[2]
            cycles.append(OrderingCycle(tuple(dict.fromkeys([*units, left_out])), left_out))
            units = []
        else:
            units = [*([] if _CYCLE in line else units), *_JOB_OF_CYCLE.findall(line)]
    return tuple(cycles)


def _cloud_init(told: Sections) -> CloudInit:
    status = _status(told)
    stages = {name: status[name] for name in _STAGES if isinstance(status.get(name), dict)}
    errors = [str(error) for stage in stages.values() for error in _list(stage.get("errors"))]
    warnings = _recoverable(stages.values()) or [_LOG_PREFIX.sub("", line) for line in told.get("cloud-init-log", [])]
    running = status.get("stage")
    unfinished = running or next((name for name, stage in stages.items() if _begun_not_ended(stage)), None)
    if errors:
        said = "error"
    elif not stages:
        said = "not run"
    else:
        said = "running" if unfinished or not (stages.get("modules-final") or {}).get("finished") else "done"
    source = status.get("datasource")
    return CloudInit(
        status=said,
        stage=str(unfinished) if unfinished and (said == "running" or running) else None,
        datasource=str(source).partition(" ")[0].replace("DataSource", "", 1) if source else None,
        errors=tuple(errors),
        recoverable_errors=tuple(dict.fromkeys(warnings)),
    )


def _status(told: Sections) -> dict[str, t.Any]:
    """What is in cloud-init's ``status.json``."""
    try:
        status = json.loads("\n".join(told.get("cloud-init-status", [])))["v1"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return status if isinstance(status, dict) else {}


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def _recoverable(stages: t.Iterable[Mapping[str, t.Any]]) -> list[str]:
    found = []
    for stage in stages:
        by_level = stage.get("recoverable_errors")
        if isinstance(by_level, dict):
            found += [str(message) for level in _LEVELS for message in _list(by_level.get(level))]
    return found


def _begun_not_ended(stage: Mapping[str, t.Any]) -> bool:
    return bool(stage.get("start")) and not stage.get("finished")
