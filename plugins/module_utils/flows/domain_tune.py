# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module domain_tune does: read, plan, refuse, commit, read back."""

from __future__ import annotations

import contextlib
import os
import typing as t
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..common.errors import BadRequestError, GoldsmithError
from ..common.host import Host
from ..common.paths import refuse_empty
from ..domain.model import Change, DomainPlan, Pair, shown, worded
from ..domain.plan import Task, plan_all, wishes_task
from ..domain.profiles import PROFILES
from ..domain.record import Record, changed_knobs
from ..domain.registry import wish_spec
from ..domain.wishes import PROFILE, refuse_unmatched
from ..host.model import HostFacts
from ..libvirt.connection import connected
from ..store.locks import lock
from .domain_backup import confirm_change, forget_change, keep_backup, now, prepare, prune_backups, settle_changes
from .domain_commit import NOT_TAKEN_BACK, commit
from .domain_read import Known, host_options, read_domains, read_host
from .domain_restart import restart_domains, to_restart, with_restarts
from .domain_restore import restoring, selectors_of, undone

DEFAULT_BACKUPS = "/var/lib/goldsmith/domains"


def tune_argument_spec() -> dict[str, t.Any]:
    """The options of ``domain_tune``."""
    return {
        **host_options(),
        "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
        "wishes": wishes_option(),
        "domains": {"type": "list", "elements": "str"},
        "on_refused": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
        "atomic": {"type": "bool", "default": True},
        "allow_empty": {"type": "bool", "default": False},
        "backup_dir": {"type": "path", "default": DEFAULT_BACKUPS},
        "backup_keep": {"type": "int", "default": 10},
        "restart": {"type": "str", "choices": ["never", "if_needed"], "default": "never"},
        "restart_timeout": {"type": "int", "default": 300},
    }


def wishes_option() -> dict[str, t.Any]:
    """The option ``wishes``, of this module and of the audit."""
    domains = {"type": "list", "elements": "str", "required": True}
    profile = {"type": "str", "choices": list(PROFILES)}
    options = {"domains": domains, PROFILE: profile, **wish_spec()}
    return {"type": "list", "elements": "dict", "options": options}


def tune_domains(host: Host, params: Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """What ``domain_tune`` does and returns; ``params`` are those of :func:`tune_argument_spec`."""
    refuse_empty(params, "backup_dir")
    selectors = selectors_of(params)
    if params["backup_keep"] < 1:
        raise BadRequestError(f"backup_keep is {params['backup_keep']}", "Give a number from 1 on")
    # Who only looks needs no right to write, and waits for nobody.
    with contextlib.nullcontext() if check_mode else _locked(host, params), connected(params["uri"]) as connection:
        domains = read_domains(connection, selectors, allow_empty=params["allow_empty"], secrets=True)
        if not check_mode:
            _settle_all(params["backup_dir"], domains)
        tasks, records = _tasks(params, domains)
        facts = read_host(connection, [(task.found.document, task.wished) for task in tasks.values()])
        plans = plan_all(tasks, facts)
        _tell(host, plans.values(), facts)
        if params["on_refused"] == "fail":
            _refuse(plans)
        restarts = to_restart(host, params, plans)
        edits = {name: changed_knobs(plan) for name, plan in plans.items()}
        told = with_restarts(plans, restarts, facts)
        backups: dict[str, str] = {}
        if not check_mode:
            backups = _kept(params, domains, plans, edits, records)
            work = [(domains[name], plan) for name, plan in plans.items() if plan.changed]
            failed = _committed(host, connection, work, params, backups)
            restarts = [name for name in restarts if name not in failed]
            come, stuck = restart_domains(connection, domains, plans, restarts, params, facts)
            told.update(come)
            _fail(failed, stuck, told, backups)
    return {
        "changed": any(plan.changed for plan in told.values()),
        "domains": _results(told, backups),
        "diff": _diff([plan for plan in told.values() if plan.changed], edits),
    }


def _tasks(
    params: Mapping[str, t.Any], domains: Mapping[str, Known]
) -> tuple[Mapping[str, Task], Mapping[str, Record]]:
    """What is to be planned, and the records of the changes that are to be undone."""
    if params["state"] == "restored":
        found = restoring(domains, params["backup_dir"])
        return found.tasks, found.records
    if not params["allow_empty"]:
        refuse_unmatched(params["wishes"], (known.found for known in domains.values()))
    return {name: wishes_task(known.found, params["wishes"]) for name, known in domains.items()}, {}


def _settle_all(directory: str, domains: Mapping[str, Known]) -> None:
    for known in domains.values():
        if known.definitions.persistent is not None:
            settle_changes(directory, known.found, known.definitions.persistent)


def _committed(
    host: Host,
    connection: t.Any,
    work: Sequence[tuple[Known, DomainPlan]],
    params: Mapping[str, t.Any],
    backups: dict[str, str],
) -> dict[str, GoldsmithError]:
    """Commit the plans. Of what does not come about no record is left, as it would be undone some day."""
    try:
        failed = commit(connection, work, atomic=params["atomic"])
    except GoldsmithError as error:
        _conclude(host, backups, backups.keys() - set(error.details[NOT_TAKEN_BACK]))
        raise
    # A run that a signal ends leaves this to settle_changes.
    _conclude(host, backups, {name for name, error in failed.items() if not error.details[NOT_TAKEN_BACK]})
    for name in backups.keys() - failed.keys():
        prune_backups(backups[name], params["backup_keep"])
    return failed


def _conclude(host: Host, backups: Mapping[str, str], gone: Collection[str]) -> None:
    for name, backup in backups.items():
        try:
            (forget_change if name in gone else confirm_change)(backup)
        except GoldsmithError as error:
            # The next run decides; what became of the domains matters more.
            host.warn(f"{name}: the record of its change stays a plan: {error}")


def _results(plans: Mapping[str, DomainPlan], backups: Mapping[str, str]) -> dict[str, dict[str, t.Any]]:
    kept = {name: {"backup": path} for name, path in backups.items()}
    return {name: {**plan.result(), "restarted": plan.restarted, **kept.get(name, {})} for name, plan in plans.items()}


@contextlib.contextmanager
def _locked(host: Host, params: Mapping[str, t.Any]) -> Iterator[None]:
    """Two runs at once wait for each other."""
    prepare(params["backup_dir"])
    with lock(
        os.path.join(params["backup_dir"], "lock"),
        on_wait=lambda: host.warn("another run changes domains of this host: waiting for it"),
    ):
        yield


def _kept(
    params: Mapping[str, t.Any],
    domains: Mapping[str, Known],
    plans: Mapping[str, DomainPlan],
    edits: Mapping[str, Mapping[str, Pair]],
    records: Mapping[str, Record],
) -> dict[str, str]:
    """The backups of all domains whose definitions change. Where one cannot be made nothing is recorded of any."""
    backups: dict[str, str] = {}
    try:
        for name, plan in plans.items():
            if plan.document is not None:
                record = Record(now(), edits[name]) if name not in records else _undone(plan, records[name])
                xml = domains[name].definitions.persistent or ""
                backups[name] = keep_backup(params["backup_dir"], plan.found.uuid, xml, record)
    except BaseException:
        for path in backups.values():
            forget_change(path)
        raise
    return backups


def _undone(plan: DomainPlan, record: Record) -> Record:
    return undone(record, now(), {change.knob for change in plan.refused})


def _tell(host: Host, plans: t.Iterable[DomainPlan], facts: HostFacts) -> None:
    if facts.restricted:
        host.warn(facts.restricted)
    for plan in plans:
        for warning in plan.warnings:
            host.warn(warning)
        for change in plan.refused:
            host.warn(_refusal(plan, change))


def _refuse(plans: Mapping[str, DomainPlan]) -> None:
    """Raise BadRequestError where any knob is refused: nothing has been written yet."""
    refusals = [_refusal(plan, change) for plan in plans.values() for change in plan.refused]
    if refusals:
        raise BadRequestError(
            f"{len(refusals)} wishes cannot be fulfilled, so that nothing was changed: " + "; ".join(refusals[:20]),
            "Correct them, or let the others be fulfilled with on_refused: warn",
            domains={name: {**result, "changed": False} for name, result in _results(plans, {}).items()},
        )


def _refusal(plan: DomainPlan, change: Change) -> str:
    return f"{plan.found.name}: {change.knob} = {worded(change.wished)} is refused: {change.reason}"


def _fail(
    failed: Mapping[str, GoldsmithError],
    stuck: Mapping[str, GoldsmithError],
    plans: Mapping[str, DomainPlan],
    backups: Mapping[str, str],
) -> None:
    """Raise GoldsmithError where domains failed, or were not restarted, that the others have survived."""
    if not failed and not stuck:
        return
    results = _results(plans, backups)
    for name, error in (*failed.items(), *stuck.items()):
        results[name]["error"] = str(error)
    for name in failed:
        # Of these nothing came true that was planned.
        results[name].update(changed=False, restarted=False)
    told = [
        f"{len(errors)} domains could not be {what}: " + "; ".join(f"{name}: {error}" for name, error in errors.items())
        for errors, what in ((failed, "changed"), (stuck, "restarted"))
        if errors
    ]
    raise GoldsmithError(
        " ".join(told).rstrip("."),
        "The others were changed, as atomic is false" if failed else "All definitions are changed as asked",
        changed=any(result["changed"] for result in results.values()),
        failed_domains=sorted({*failed, *stuck}),
        domains=results,
    )


def _diff(plans: t.Iterable[DomainPlan], edits: Mapping[str, Mapping[str, Pair]]) -> dict[str, t.Any]:
    """The knobs that change, also those that no wish names, and nothing of the XML: that has secrets."""
    before: dict[str, dict[str, t.Any]] = {}
    after: dict[str, dict[str, t.Any]] = {}
    for plan in plans:
        live = {change.knob: change.live for change in plan.changes if change.live is not None and change.live.differs}
        views = {"persistent": edits[plan.found.name], "live": live}
        for side, document in (("before", before), ("after", after)):
            document[plan.found.name] = {
                view: {knob: shown(getattr(pair, side)) for knob, pair in pairs.items()}
                for view, pairs in views.items()
                if pairs
            }
    return {"before": before, "after": after}
