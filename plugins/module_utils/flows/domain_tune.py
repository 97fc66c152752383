# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module domain_tune does: read, plan, refuse, commit, read back."""

from __future__ import annotations

import contextlib
import os
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..common.errors import BadRequestError, GoldsmithError
from ..common.host import Host
from ..domain.model import Change, DomainPlan, shown
from ..domain.plan import plan_domain
from ..domain.registry import wish_spec
from ..domain.wishes import refuse_unmatched
from ..host.model import HostFacts
from ..libvirt.connection import connected
from ..store.locks import lock
from .domain_backup import keep_backup, prepare
from .domain_commit import commit
from .domain_read import Known, host_options, read_domains, read_host

DEFAULT_BACKUPS = "/var/lib/goldsmith/domains"


def tune_argument_spec() -> dict[str, t.Any]:
    """The options of ``domain_tune``."""
    return {
        **host_options(),
        "wishes": wishes_option(required=True),
        "on_refused": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
        "atomic": {"type": "bool", "default": True},
        "allow_empty": {"type": "bool", "default": False},
        "backup_dir": {"type": "path", "default": DEFAULT_BACKUPS},
        "backup_keep": {"type": "int", "default": 10},
    }


def wishes_option(*, required: bool) -> dict[str, t.Any]:
    """The option ``wishes``, of this module and of the audit."""
    domains = {"type": "list", "elements": "str", "required": True}
    options = {"domains": domains, **wish_spec()}
    return {"type": "list", "elements": "dict", "required": required, "options": options}


def tune_domains(host: Host, params: Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """What ``domain_tune`` does and returns; ``params`` are those of :func:`tune_argument_spec`."""
    wishes = params["wishes"]
    if params["backup_keep"] < 1:
        raise BadRequestError(f"backup_keep is {params['backup_keep']}", "Give a number from 1 on")
    selectors = list(dict.fromkeys(selector for wish in wishes for selector in wish["domains"]))
    # Who only looks needs no right to write, and waits for nobody.
    with contextlib.nullcontext() if check_mode else _locked(host, params), connected(params["uri"]) as connection:
        domains = read_domains(connection, selectors, allow_empty=params["allow_empty"], secrets=True)
        refuse_unmatched(wishes, (known.found for known in domains.values()), params["allow_empty"])
        facts = read_host(connection, params["uri"], (known.found.document for known in domains.values()))
        plans = {name: plan_domain(known.found, wishes, facts) for name, known in domains.items()}
        _tell(host, plans.values(), facts)
        results = {name: plan.result() for name, plan in plans.items()}
        if params["on_refused"] == "fail":
            _refuse(plans, results)
        work = [(domains[name], plan) for name, plan in plans.items() if plan.changed]
        if not check_mode:
            backups = {known.found.name: _backup(params, known) for known, plan in work if plan.document is not None}
            failed = commit(connection, work, atomic=params["atomic"])
            _fail(failed, results)
            for name, path in backups.items():
                results[name]["backup"] = path
    return {"changed": bool(work), "domains": results, "diff": _diff(plan for dummy, plan in work)}


@contextlib.contextmanager
def _locked(host: Host, params: Mapping[str, t.Any]) -> Iterator[None]:
    """Two runs at once wait for each other."""
    prepare(params["backup_dir"])
    with lock(
        os.path.join(params["backup_dir"], "lock"),
        on_wait=lambda: host.warn("another run changes domains of this host: waiting for it"),
    ):
        yield


def _backup(params: Mapping[str, t.Any], known: Known) -> str:
    xml = known.definitions.persistent or ""
    return keep_backup(params["backup_dir"], known.found.uuid, xml, params["backup_keep"])


def _tell(host: Host, plans: t.Iterable[DomainPlan], facts: HostFacts) -> None:
    if facts.restricted:
        host.warn(facts.restricted)
    for plan in plans:
        for warning in plan.warnings:
            host.warn(warning)
        for change in plan.refused:
            host.warn(_refusal(plan, change))


def _refuse(plans: Mapping[str, DomainPlan], results: Mapping[str, t.Any]) -> None:
    """Raise BadRequestError where any knob is refused: nothing has been written yet."""
    refusals = [_refusal(plan, change) for plan in plans.values() for change in plan.refused]
    if refusals:
        raise BadRequestError(
            f"{len(refusals)} wishes cannot be fulfilled, so that nothing was changed: " + "; ".join(refusals[:20]),
            "Correct them, or let the others be fulfilled with on_refused: warn",
            domains=dict(results),
        )


def _refusal(plan: DomainPlan, change: Change) -> str:
    return f"{plan.found.name}: {change.knob} = {shown(change.wished)} is refused: {change.reason}"


def _fail(failed: Mapping[str, GoldsmithError], results: Mapping[str, t.Any]) -> None:
    """Raise GoldsmithError where domains failed that the others have survived."""
    if failed:
        # Of these nothing came true that was planned.
        put_back = {name: {**results[name], "changed": False, "error": str(error)} for name, error in failed.items()}
        said = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise GoldsmithError(
            f"{len(failed)} domains could not be changed: {said}",
            "The others were changed, as atomic is false",
            changed=True,
            failed_domains=sorted(failed),
            domains={**results, **put_back},
        )


def _diff(plans: t.Iterable[DomainPlan]) -> dict[str, t.Any]:
    """The knobs that change, and nothing of the XML: that has secrets."""
    before: dict[str, dict[str, t.Any]] = {}
    after: dict[str, dict[str, t.Any]] = {}
    for plan in plans:
        for side, document in (("before", before), ("after", after)):
            document[plan.found.name] = {
                view: knobs for view in ("persistent", "live") if (knobs := _side(plan.changes, view, side))
            }
    return {"before": before, "after": after}


def _side(changes: Sequence[Change], view: str, side: str) -> dict[str, t.Any]:
    found = {}
    for change in changes:
        pair = getattr(change, view)
        if pair is not None and pair.differs:
            found[change.knob] = shown(getattr(pair, side))
    return found
