# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A base image and steps into a published golden image: request → plan → build → published file and record."""

from __future__ import annotations

import contextlib
import os
import typing as t
from collections.abc import Mapping

from ..common.age import format_time, now
from ..common.errors import GoldsmithError
from ..common.file_attributes import Attributes
from ..common.host import Host
from ..common.stages import Stages
from ..engine import registry
from ..engine.model import Build
from ..store.golden import record_path
from ..store.layout import Layout
from ..store.payloads import Payloads
from .customize_build import Builder, inspect_base
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
    layout = Layout(params["store"])
    if not check_mode:
        layout.ensure()
    with stages("plan"):
        plan = make_plan(layout, request, check_mode=check_mode)
    if check_mode:
        if plan.published is None:
            with stages("preflight"):
                _warn_of_obstacles(host, layout, request)
        return _settled(request, plan, attributes, stages, check_mode=True)
    if plan.published is not None and plan.linked:
        return _settled(request, plan, attributes, stages)
    if request.sent_digests and request.sent_directory is None:
        needed = request.sent_digests.values() if plan.published is None else ()
        return {"changed": False, "payloads_missing": Payloads(layout).missing(needed)}
    with contextlib.ExitStack() as stack:
        with stages("wait"):
            stack.enter_context(layout.lock(request.golden.lock_name))
        # Another run may have built it while this one waited.
        with stages("plan"):
            plan = make_plan(layout, request, check_mode=False)
        if plan.published is not None:
            return _settled(request, plan, attributes, stages)
        record = Builder(host, layout, request, plan, attributes, stages, format_time(now())).build()
        return _result(request, plan, record, stages, changed=True, diff=plan.diff())


def _settled(
    request: Request, plan: Plan, attributes: Attributes, stages: Stages, *, check_mode: bool = False
) -> dict[str, t.Any]:
    """The result where nothing is built: link and ownership of a published image are put right, or only told."""
    changed = plan.published is None or not plan.linked
    diff = plan.diff() if changed else {"before": {}, "after": {}}
    if plan.published is not None:
        if not plan.linked and not check_mode:
            request.golden.point_to(plan.path)
        changed = attributes.apply(plan.path, diff) or changed
    return _result(request, plan, plan.published, stages, changed=changed, diff=diff)


def _warn_of_obstacles(host: Host, layout: Layout, request: Request) -> None:
    """In check mode: warn of what the host lacks for the build, refuse a base that will not do."""
    # The accelerator is not found out: that starts a guest.
    build = Build(disk=os.path.join(layout.layers, "disk.qcow2"), workdir=layout.layers, steps=(), accel="tcg")
    try:
        registry.ENGINES[request.engine].preflight(host, build)
    except GoldsmithError as error:
        host.warn(f"the image cannot be built on this host as it is: {error}")
    if host.which("qemu-img") is not None and os.path.isfile(request.base.path):
        inspect_base(host, request)


def _result(
    request: Request,
    plan: Plan,
    record: Mapping[str, t.Any] | None,
    stages: Stages,
    *,
    changed: bool,
    diff: Mapping[str, t.Any],
) -> dict[str, t.Any]:
    image = {} if record is None else record["image"]
    path = plan.path if plan.exact else None
    return {
        "changed": changed,
        "diff": diff,
        "image": {
            "path": path,
            "current": request.golden.link,
            "digest": image.get("digest"),
            "size": image.get("size"),
        },
        "record": None if path is None else record_path(path),
        "steps": plan.steps(),
        "fingerprint": plan.fingerprint if plan.exact else None,
        "packages_added": {} if record is None else record["packages"]["added"],
        "stages": stages.seconds,
    }
