# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``image_customize`` is asked."""

from __future__ import annotations

import difflib
import os
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..common.age import parse_age
from ..common.errors import BadRequestError
from ..common.size import format_size, parse_size
from ..disk.qemu_img import COMPRESSIONS, LARGEST_DISK
from ..engine.accel import ACCELERATORS
from ..engine.registry import ENGINES
from ..recipe.model import Step
from ..recipe.parse import parse_steps, steps_argument_spec
from ..store.golden import Golden
from ..store.layout import DEFAULT_ROOT
from .customize_checks import Checks, checks_argument_spec, checks_from

_BASE_KEYS = (
    *("path", "digest", "size", "format", "virtual_size", "publisher", "product", "serial", "file_type", "release"),
    *("version", "lineage", "arch", "stream", "name", "url", "published_digest", "proof", "current"),
)
"""What image_fetch and this module return as ``image``."""


def customize_argument_spec() -> dict[str, t.Any]:
    """The options of ``image_customize``."""
    return {
        "base": {"type": "dict", "required": True},
        "dest_dir": {"type": "path", "required": True},
        "name": {"type": "str", "required": True},
        "steps": steps_argument_spec(),
        "size": {"type": "str"},
        "compression": {"type": "str", "choices": list(COMPRESSIONS), "default": "zstd"},
        "engine": {"type": "str", "choices": list(ENGINES), "default": "virt_customize"},
        "accel": {"type": "str", "choices": list(ACCELERATORS), "default": "auto"},
        "network": {"type": "bool", "default": True},
        "memsize": {"type": "int"},
        "smp": {"type": "int"},
        "timeout": {"type": "int", "default": 3600},
        "workdir": {"type": "path"},
        "max_age": {"type": "str"},
        "force": {"type": "bool", "default": False},
        **checks_argument_spec(),
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "store": {"type": "path", "default": DEFAULT_ROOT},
        "payloads": {"type": "dict", "options": payloads_argument_spec()},
    }


def payloads_argument_spec() -> dict[str, t.Any]:
    """What the action plugin tells the module of the controller's files."""
    return {
        "digests": {"type": "dict", "default": {}},
        "secret_digests": {"type": "dict", "default": {}, "no_log": True},
        "absent": {"type": "dict", "default": {}},
        "directory": {"type": "path"},
    }


@dataclass(frozen=True)
class Base:
    """The image to start from, as the user gave it."""

    path: str
    """Resolved, so that an overlay is backed by a file and not by a link that moves.

    Empty where ``image_fetch`` in check mode could not tell it.
    """
    digest: str
    """``sha256:…``, or empty when the user did not say."""
    facts: Mapping[str, t.Any]
    """What ``image_fetch`` told of it: product, serial, proof and so on; empty values left out."""


@dataclass(frozen=True)
class Sent:
    """What the controller tells of its files."""

    digests: Mapping[str, str]
    """Digest of each, by payload key."""
    absent: Mapping[str, Sequence[str]]
    """Why a file could not be had that only a step with a condition names, by payload key: cause and way out."""
    directory: str | None
    """Where those that the store lacked have been put, named by their keys; None: they have not been sent yet."""


@dataclass(frozen=True)
class Request:
    """All that the user asked for, checked as far as that can be done without looking at the host."""

    base: Base
    golden: Golden
    steps: tuple[Step, ...]
    size: int | None
    """Bytes of the virtual disk; None: as the base has them."""
    compression: str
    engine: str
    accel: str
    network: bool
    memsize: int
    smp: int
    timeout: int
    workdir: str | None
    """The directory in which the build's own is made; None: the store's."""
    max_age: timedelta | None
    """How old an image may be that is not built anew."""
    force: bool
    """Whether it is built anew in any case."""
    checks: Checks
    sent: Sent


def request_from(params: Mapping[str, t.Any]) -> Request:
    """The request of a module's parameters. Raises BadRequestError."""
    payloads = params["payloads"] or {}
    for option, least in (("memsize", 128), ("smp", 1), ("timeout", 1)):
        if params[option] is not None and params[option] < least:
            raise BadRequestError(f"{option} is {params[option]}", f"Give a number from {least} on")
    return Request(
        base=_base(params["base"]),
        golden=Golden(params["dest_dir"], params["name"]),
        steps=parse_steps(params["steps"]),
        size=_size(params["size"]),
        compression=params["compression"],
        engine=params["engine"],
        accel=params["accel"],
        network=params["network"],
        memsize=params["memsize"] or 0,
        smp=params["smp"] or 0,
        timeout=params["timeout"],
        workdir=params["workdir"],
        max_age=None if params["max_age"] is None else _max_age(params["max_age"]),
        force=params["force"],
        checks=checks_from(params),
        sent=Sent(
            {**(payloads.get("digests") or {}), **(payloads.get("secret_digests") or {})},
            payloads.get("absent") or {},
            payloads.get("directory"),
        ),
    )


def _size(given: str | None) -> int | None:
    if not given:
        return None
    size = parse_size(given, "size")
    if size > LARGEST_DISK:
        raise BadRequestError(
            f"size is {given!r}, and a qcow2 holds {format_size(LARGEST_DISK)} at the most", "Choose a smaller one"
        )
    return size


def _max_age(given: str) -> timedelta:
    try:
        return parse_age(given)
    except BadRequestError as error:
        raise BadRequestError(f"max_age: {error.cause}", error.way_out) from error


def _base(given: Mapping[str, t.Any]) -> Base:
    for key in given:
        if key not in _BASE_KEYS:
            near = difflib.get_close_matches(str(key), _BASE_KEYS, n=1)
            raise BadRequestError(
                f"base.{key} is not a key of base{f'; {near[0]} is' if near else ''}",
                "Give path, digest, or what goldsmith.kvm.image_fetch returned as image",
            )
    serial = str(given.get("serial") or "")
    if "/" in serial or ".." in serial:
        raise BadRequestError(
            f"base.serial has a slash or `..` in it: {serial!r}", "Give one such as 20260905, or leave it out"
        )
    path = given.get("path")
    if path is None and "path" in given:
        return Base("", "", given)
    if not path or not isinstance(path, str):
        raise BadRequestError(
            "base has no path",
            "Give `base: {path: /where/it/is.qcow2}`, or what goldsmith.kvm.image_fetch returned as image",
        )
    digest = given.get("digest") or ""
    if digest and not str(digest).startswith("sha256:"):
        raise BadRequestError(
            f"the digest of base is not sha256:…, but {digest!r}", "Leave it out, or give its SHA-256"
        )
    # YAML takes a serial for a number, 24.04 too.
    facts = {
        key: value if isinstance(value, Mapping) else str(value)
        for key, value in given.items()
        if value and key not in ("path", "digest")
    }
    return Base(os.path.realpath(os.path.expanduser(path)), str(digest), facts)
