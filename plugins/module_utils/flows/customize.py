# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A base image and steps into a published golden image: request → plan → build → published file and record."""

from __future__ import annotations

import contextlib
import os
import typing as t
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ..common.age import format_time, now, parse_time
from ..common.errors import GoldsmithError
from ..common.file_attributes import Attributes
from ..common.host import Host
from ..common.stages import Stages
from ..disk import qemu_img
from ..engine import registry
from ..engine.accel import device_reason
from ..engine.model import Build
from ..store.layout import Layout
from ..store.published import Published, log_path, record_path
from .customize_base import inspect_base
from .customize_build import Builder
from .customize_checks import warn_of_idle_options
from .customize_differences import diff, message, reasons, removed_steps, step_results
from .customize_evidence import evidence_of, preflight, prove_published
from .customize_payloads import missing_payloads
from .customize_plan import Plan, make_plan
from .customize_request import Request, request_from


def customize_image(
    host: Host, params: Mapping[str, t.Any], check_mode: bool, attributes: Attributes
) -> dict[str, t.Any]:
    """What ``image_customize`` does and returns; ``params`` are those of ``customize_argument_spec()``.

    The action plugin calls it twice when files of the controller may be needed: first with their digests alone, to
    which the answer is the result if there is nothing to do, or ``payloads_missing``; then with those files.
    """
    stages = Stages()
    request = request_from(params)
    warn_of_idle_options(host, params)
    layout = Layout(params["store"])
    if not check_mode:
        layout.ensure()
    with stages("plan"):
        plan = make_plan(host, layout, request, check_mode=check_mode)
    if check_mode:
        if plan.published is None or plan.lacking:
            with stages("preflight"):
                _warn_of_obstacles(host, layout, request, plan, attributes)
        return _settled(request, plan, attributes, stages, check_mode=True)
    if plan.settled:
        return _settled(request, plan, attributes, stages)
    if (request.sent.digests or request.sent.absent) and request.sent.directory is None:
        needed = plan.payloads() if plan.published is None else []
        return {"changed": False, "payloads_missing": missing_payloads(layout, needed, plan.payload_digests)}
    with contextlib.ExitStack() as stack:
        with stages("wait"):
            stack.enter_context(layout.lock(request.golden.lock_name))
        # Another run may have built it while this one waited.
        with stages("plan"):
            plan = make_plan(host, layout, request, check_mode=False)
        if plan.published is not None:
            if plan.lacking:
                proved = prove_published(host, layout, request, plan, plan.published, stages)
                plan = replace(plan, newest=proved)
            return _settled(request, plan, attributes, stages)
        moment = _moment_after(plan.newest)
        path = plan.first_path if plan.newest is None else request.golden.rebuilt_path(plan.first_path, moment)
        published = Builder(host, layout, request, plan, attributes, stages, path, format_time(moment)).build()
        built = replace(plan, newest=published, stale=(), lacking=())
        told = {**_told(request, plan, check_mode=False), "diff": diff(built)}
        return {"changed": True, **told, **_image(request, built, stages)}


def _moment_after(newest: Published | None) -> datetime:
    """When a build begins; later than the newest image of its fingerprint, even if the clock has been set back."""
    try:
        return now() if newest is None else max(now(), parse_time(newest.record["created"]) + timedelta(seconds=1))
    except (ValueError, OverflowError):
        return now()


def _settled(
    request: Request, plan: Plan, attributes: Attributes, stages: Stages, *, check_mode: bool = False
) -> dict[str, t.Any]:
    """The result where nothing is built: link and ownership of a published image are put right, or only told."""
    changed = not plan.settled
    told = {**_told(request, plan, check_mode=check_mode), "diff": diff(plan)}
    if plan.linked:
        told["diff"] = {"before": {}, "after": {}}
    if plan.published is not None:
        if plan.lacking:
            told["diff"]["before"]["checks"], told["diff"]["after"]["checks"] = [], list(plan.lacking)
        if not plan.linked and not check_mode:
            request.golden.point_to(plan.published.path)
        if attributes.apply(plan.published.path, told["diff"]):
            changed = True
            told["reason"] = [*told["reason"], "attributes"]
    return {"changed": changed, **told, **_image(request, plan, stages)}


def _warn_of_obstacles(host: Host, layout: Layout, request: Request, plan: Plan, attributes: Attributes) -> None:
    """In check mode: warn of what the host lacks for the run, refuse a base that will not do."""
    checks = request.checks if plan.published is None else request.checks.left(plan.published.record)
    try:
        preflight(host, checks, plan.base)
    except GoldsmithError as error:
        host.warn(f"the image cannot be checked on this host as it is: {error}")
    if plan.published is None:
        _warn_of_build(host, layout, request, attributes)
    elif host.which("qemu-img") is not None:
        checks.require_disk_size(qemu_img.inspect(host, plan.published.path).virtual_size)


def _warn_of_build(host: Host, layout: Layout, request: Request, attributes: Attributes) -> None:
    # The accelerator is not found out: that starts a guest.
    directory = request.workdir or layout.layers
    build = Build(disk=os.path.join(directory, "disk.qcow2"), workdir=directory, steps=(), accel="tcg")
    try:
        registry.ENGINES[request.engine].preflight(host, build)
    except GoldsmithError as error:
        host.warn(f"the image cannot be built on this host as it is: {error}")
    if request.workdir is not None and not os.path.isdir(request.workdir):
        host.warn(f"the image cannot be built as it is asked: workdir is not a directory: {request.workdir}")
    for unknown in attributes.unknown():
        host.warn(f"the image cannot be built as it is asked: this host does not know the {unknown}")
    reason = device_reason() if request.accel == "kvm" else ""
    if reason:
        host.warn(f"the image cannot be built on this host with accel: kvm: {reason}")
    if host.which("qemu-img") is not None and os.path.isfile(request.base.path):
        inspect_base(host, request)


def _told(request: Request, plan: Plan, *, check_mode: bool) -> dict[str, t.Any]:
    """How the wanted image differs from what is there."""
    return {
        "msg": message(plan, request.golden.name, request.steps, check_mode=check_mode),
        "reason": reasons(plan),
        "steps": step_results(plan, request.steps),
        "steps_removed": removed_steps(plan),
    }


def _image(request: Request, plan: Plan, stages: Stages) -> dict[str, t.Any]:
    record: Mapping[str, t.Any] = {} if plan.published is None else plan.published.record
    image = record.get("image", {})
    path = plan.path
    return {
        "image": {
            "path": path,
            "current": request.golden.link,
            "digest": image.get("digest"),
            "size": image.get("size"),
        },
        "record": None if path is None else record_path(path),
        "log": None if path is None else log_path(path),
        "fingerprint": None if plan.unknown else plan.fingerprint,
        "packages_added": record["packages"]["added"] if record else {},
        **evidence_of(record),
        "stages": stages.seconds,
    }
