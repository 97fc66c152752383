# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image to start from: what it is, and which operating system it holds."""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Mapping
from dataclasses import asdict

from ..common.errors import BadRequestError, StoreError, VerificationError
from ..common.host import Host
from ..common.size import format_size
from ..disk import qemu_img
from ..engine import registry
from ..recipe.condition import System
from ..store.digests import digest_of
from ..store.images import Images
from ..store.layers import workdir
from ..store.layout import Layout
from ..store.published import read_build_record
from ..store.systems import recall_os_release, remember_os_release
from .customize_request import Request

_FACTS = ("publisher", "product", "serial", "release", "version", "lineage", "arch", "url", "proof")
_UBUNTU_PRODUCT = "com.ubuntu.cloud"
_UBUNTU_VERSION = re.compile(r"[0-9]{2}\.[0-9]{2}")


def find_base(layout: Layout, request: Request, check_mode: bool) -> dict[str, t.Any]:
    """Path, digest and facts of the base; raises VerificationError when it is not what its digest says.

    In check mode the digest is empty where it cannot be known yet.
    """
    base = request.base
    digest = _digest(layout, request, check_mode)
    facts = {key: base.facts[key] for key in _FACTS if key in base.facts}
    if "proof" not in facts:
        image = Images(layout).get(digest)
        if image is not None and image.sources:
            source = asdict(image.sources[-1])
            facts = {key: source[key] for key in _FACTS if source.get(key)}
    return {**facts, "path": base.path, "digest": digest}


def _digest(layout: Layout, request: Request, check_mode: bool) -> str:
    base = request.base
    if not os.path.isfile(base.path):
        if check_mode and (base.digest or not base.path):
            return base.digest
        raise BadRequestError(
            f"the base image {base.path} is no file of this host",
            "Fetch it with goldsmith.kvm.image_fetch, or give its right path",
        )
    if base.path == os.path.realpath(layout.image(base.digest)):
        images = Images(layout)
        image = images.get(base.digest)
        if image is not None and images.present_identity(image) is not None:
            return base.digest
    found = digest_of(layout, base.path, remember=not check_mode)
    if base.digest and found != base.digest:
        raise VerificationError(
            f"the base image {base.path} is not what was asked for: its digest is {found}, and should be {base.digest}",
            "Fetch it again, or give the right digest",
        )
    return found


def known_system(layout: Layout, base: Mapping[str, t.Any]) -> System | None:
    """The operating system of what :func:`find_base` returned, if that can be told without looking into it."""
    version = str(base.get("version", ""))
    ubuntu = base.get("publisher") == "ubuntu" or str(base.get("product", "")).startswith(_UBUNTU_PRODUCT)
    if ubuntu and _UBUNTU_VERSION.fullmatch(version):
        return System("ubuntu", version)
    if not base["digest"]:
        return None
    os_release = _recorded_os_release(base) or recall_os_release(layout, base["digest"])
    return _system(os_release) if os_release else None


def _recorded_os_release(base: Mapping[str, t.Any]) -> Mapping[str, str]:
    """That of a golden image, by the record beside it."""
    try:
        record = read_build_record(base["path"]) if base["path"] else None
    except StoreError:
        return {}
    if record is None or record["image"]["digest"] != base["digest"]:
        return {}
    found = record.get("os_release")
    return found if isinstance(found, Mapping) and found.get("ID") else {}


def find_system(host: Host, layout: Layout, request: Request, base: Mapping[str, t.Any]) -> System:
    """The operating system of the base: known, or looked up in the image once."""
    with layout.lock(f"system:{base['digest']}"):
        # Another run may have looked while this one waited.
        known = known_system(layout, base)
        if known is not None:
            return known
        with workdir(layout, request.workdir) as directory:
            info = inspect_base(host, request)
            overlay = os.path.join(directory, "look.qcow2")
            qemu_img.create_overlay(host, info.path, info.format, overlay)
            os_release = registry.ENGINES[request.engine].os_release(host, overlay, directory, request.accel)
        if not os_release.get("ID"):
            raise BadRequestError(
                f"{base['path']} does not say which system it holds: its os-release has no ID",
                "Leave out condition: it cannot be asked of this base",
            )
        remember_os_release(layout, base["digest"], os_release)
    return _system(os_release)


def _system(os_release: Mapping[str, str]) -> System:
    return System(os_release["ID"].lower(), os_release.get("VERSION_ID", ""))


def inspect_base(host: Host, request: Request) -> qemu_img.ImageInfo:
    """What the base is; raises a GoldsmithError when it cannot be the base of this image."""
    info = qemu_img.inspect(host, request.base.path)
    qemu_img.refuse_foreign_files(info)
    if info.format == "qcow2":
        qemu_img.check(host, info.path)
    if request.size is not None and request.size < info.virtual_size:
        raise BadRequestError(
            f"size {format_size(request.size)} is less than the base image's {format_size(info.virtual_size)}",
            "Leave size out, or choose a larger one: disks are only grown",
        )
    request.checks.require_disk_size(request.size or info.virtual_size)
    return info
