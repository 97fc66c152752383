# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module domain_tuning_info does: wished, persistent, live and kernel side by side."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..common.errors import GoldsmithError
from ..common.host import Host
from ..common.paths import refuse_empty
from ..domain.drift import UNAVAILABLE, Row, audit
from ..domain.kernel import KernelView, kernel_view, nothing_known
from ..domain.model import Found, Wished
from ..domain.qemu_arguments import without_secrets
from ..domain.record import Record, expected
from ..domain.registry import places
from ..domain.wishes import unmatched, wished_knobs
from ..host.cgroups import ThreadGroup
from ..host.model import HostFacts
from ..host.processes import Process, find_processes
from ..libvirt.connection import connected
from .domain_backup import read_records
from .domain_read import Known, host_options, read_domains, read_host
from .domain_tune import DEFAULT_BACKUPS, wishes_option

_ALL = "*"


def info_argument_spec() -> dict[str, t.Any]:
    """The options of ``domain_tuning_info``."""
    return {
        **host_options(),
        "domains": {"type": "list", "elements": "str", "default": [_ALL]},
        "wishes": wishes_option(),
        "backup_dir": {"type": "path", "default": DEFAULT_BACKUPS},
        "allow_empty": {"type": "bool", "default": False},
        "only_drift": {"type": "bool", "default": False},
    }


def audit_domains(host: Host, params: Mapping[str, t.Any], dummy: bool) -> dict[str, t.Any]:
    """What ``domain_tuning_info`` returns; ``params`` are those of :func:`info_argument_spec`."""
    refuse_empty(params, "backup_dir")
    uri, wishes = params["uri"], params["wishes"] or []
    with connected(uri, readonly=True) as connection:
        allow_empty = params["allow_empty"] or params["domains"] == [_ALL]
        others = [selector for wish in wishes for selector in wish["domains"]]
        domains = read_domains(connection, params["domains"], allow_empty=allow_empty, secrets=False, others=others)
        wished = {name: _wished(known, wishes) for name, known in domains.items()}
        facts = read_host(connection, [(known.found.document, wished[name]) for name, known in domains.items()])
    for warning in filter(None, (facts.restricted, *unmatched(wishes, (known.found for known in domains.values())))):
        host.warn(warning)
    running = [known.found.uuid for known in domains.values() if known.found.live is not None]
    processes = {} if facts.restricted else find_processes(running)
    audited = {
        name: _audited(known, wished[name], processes.get(known.found.uuid), facts, params)
        for name, known in domains.items()
    }
    return {"changed": False, "domains": audited}


def _wished(known: Known, wishes: Sequence[Mapping[str, t.Any]]) -> dict[str, Wished]:
    return wished_knobs(wishes, known.found.name, known.found.uuid, known.found.document)


def _audited(
    known: Known,
    wished: Mapping[str, Wished],
    process: Process | None,
    facts: HostFacts,
    params: Mapping[str, t.Any],
) -> dict[str, t.Any]:
    found = known.found
    records, unknown = _records(params["backup_dir"], found)
    rows = audit(found, wished, _kernel(known, process, facts), facts, expected(records.values()))
    return {
        "uuid": found.uuid,
        "state": found.state,
        "persistent": found.persistent is not None,
        "restart_required": any(drift.name == "pending_restart" for row in rows for drift in row.drift),
        "drift": [f"{row.knob}: {drift.name}: {drift.reason}" for row in rows for drift in row.drift],
        "knobs": [row.result() for row in rows if _is_told(row, params["only_drift"])],
        "backup": next(reversed(list(records)), None),
        "records": UNAVAILABLE if unknown else len(records),
        "records_reason": unknown or None,
        "process": None if process is None else _process_result(process),
    }


def _records(directory: str, found: Found) -> tuple[Mapping[str, Record], str]:
    """The recorded changes of a domain by their backups, or why they cannot be told."""
    try:
        return read_records(directory, found), ""
    except GoldsmithError as error:
        return {}, error.cause


def _kernel(known: Known, process: Process | None, facts: HostFacts) -> KernelView:
    live = known.found.live
    if live is None:
        return KernelView()
    if process is not None:
        return kernel_view(process, live)
    reason = "the domain does not run on this host" if facts.restricted else "QEMU's process was not found in /proc"
    return nothing_known(places(live), reason)


def _is_told(row: Row, only_drift: bool) -> bool:
    return bool(row.drift) or not only_drift


def _process_result(process: Process) -> dict[str, t.Any]:
    memory = process.places
    return {
        "pid": process.pid,
        "command_line": list(without_secrets(process.arguments)),
        "threads": [
            {
                "tid": thread.tid,
                "name": thread.name,
                "affinity": str(thread.affinity),
                "policy": thread.scheduling.policy,
                "priority": thread.scheduling.priority,
                "cgroup": _group_result(thread.group),
            }
            for thread in process.threads
        ],
        "cgroup": {"shares": process.group.shares, "memory": process.group.memory},
        "locked": process.locked,
        "memory_by_node": None if memory is None else {str(key): memory.by_node[key] for key in sorted(memory.by_node)},
        "memory_by_page_size": None
        if memory is None
        else {str(key): memory.by_page_size[key] for key in sorted(memory.by_page_size)},
        "files": None if process.files is None else {path: list(flags) for path, flags in process.files.items()},
    }


def _group_result(group: ThreadGroup) -> dict[str, t.Any]:
    return {
        "cpus": None if group.cpus is None else str(group.cpus),
        "nodes": None if group.nodes is None else str(group.nodes),
        "quota": group.quota,
        "period": group.period,
    }
