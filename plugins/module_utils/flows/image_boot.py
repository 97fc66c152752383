# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module image_boot does: a boot that is checked, and guests that are kept running by a name."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import typing as t
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import timedelta

from ..boot import machine, ssh
from ..boot.model import FIRMWARES, BootOptions
from ..boot.place import Place
from ..boot.qemu import LOOPBACK
from ..common.age import format_time, parse_age
from ..common.errors import BadRequestError
from ..common.host import Host
from ..common.paths import refuse_empty
from ..common.size import parse_size
from ..disk import qemu_img
from ..store.files import identity_of, read_record, refusal, remove_file, write_json
from ..store.layout import DEFAULT_ROOT, Layout
from .boot import Guest, booted
from .boot_preflight import preflight

SECRET_OPTIONS = ("user_data", "network_config")
_LONGEST_LIFETIME = timedelta(days=365)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def boot_argument_spec() -> dict[str, t.Any]:
    """The options of ``image_boot``."""
    return {
        "image": {"type": "path"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "keep_running": {"type": "bool", "default": False},
        "name": {"type": "str"},
        "max_lifetime": {"type": "str", "default": "1h"},
        "firmware": {"type": "str", "choices": list(FIRMWARES), "default": "auto"},
        "accel": {"type": "str", "choices": ["auto", "kvm", "tcg"], "default": "auto"},
        "memory": {"type": "str", "default": "1G"},
        "cpus": {"type": "int", "default": 2},
        "disk_size": {"type": "str"},
        "timeout": {"type": "int", "default": 600},
        # Dictionaries, or texts.
        **{option: {"type": "raw", "no_log": True} for option in SECRET_OPTIONS},
        "ssh": {"type": "bool", "default": True},
        "ssh_port": {"type": "int"},
        "allow_failed_units": {"type": "list", "elements": "str", "default": []},
        "allow_ordering_cycles": {"type": "bool", "default": False},
        "allow_cloud_init_errors": {"type": "bool", "default": False},
        "console_log": {"type": "path"},
        "store": {"type": "path", "default": DEFAULT_ROOT},
    }


def manage_boot(host: Host, params: Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """What ``image_boot`` does and returns; ``params`` are those of :func:`boot_argument_spec`."""
    refuse_empty(params, "image", "console_log", "store")
    layout = Layout(params["store"])
    boots = os.path.join(layout.root, "boots")
    # A boot that leaves no guest behind needs no name, and its image may have any.
    name = _name(params) if params["name"] or params["keep_running"] or params["state"] == "absent" else ""
    if params["state"] == "absent":
        return _absent(layout, boots, name, check_mode)
    if params["image"] is None:
        raise BadRequestError("image is missing", "Name the image to boot")
    options = _options(params)
    lifetime = _lifetime(params["max_lifetime"])
    image = os.path.realpath(params["image"])
    info = qemu_img.inspect(host, image)
    qemu_img.refuse_foreign_files(info)
    _require_growing(options, info)
    if params["keep_running"]:
        return _kept(host, params, options, lifetime, info, layout, name, check_mode)
    preflight(host, options, image=image, workdir=boots)
    if check_mode:
        return {"changed": False, "image": image, "boot": None, "guest": None}
    _make(boots)
    with booted(host, image=image, image_format=info.format, workdir=boots, options=options) as guest:
        return {"changed": False, "image": image, "boot": guest.boot.result(), "guest": None}


def _kept(
    host: Host,
    params: Mapping[str, t.Any],
    options: BootOptions,
    lifetime: timedelta,
    info: qemu_img.ImageInfo,
    layout: Layout,
    name: str,
    check_mode: bool,
) -> dict[str, t.Any]:
    """A guest that runs by this name, of this image and with these options."""
    boots = os.path.join(layout.root, "boots")
    if not options.ssh:
        raise BadRequestError("keep_running needs ssh", "Leave out ssh: false, or keep_running")
    wanted = _digest(options, info.path, params["max_lifetime"])
    if check_mode:
        known = _running(boots, name)
        if known is not None and known["request"] == wanted:
            return _answer(known, changed=False)
        preflight(host, options, image=info.path, workdir=boots)
        return _announced(info.path, known)
    _make(boots, layout.locks)
    with layout.lock(f"boot:{name}"):
        known = _running(boots, name)
        if known is not None and known["request"] == wanted:
            return _answer(known, changed=False)
        preflight(host, options, image=info.path, workdir=boots)
        if known is not None:
            _end(Place(known["guest"]["directory"]))
        state = _state_file(boots, name)
        remove_file(state)
        with booted(
            host,
            image=info.path,
            image_format=info.format,
            workdir=boots,
            options=options,
            lifetime=lifetime.total_seconds(),
        ) as guest:
            if guest.boot.user is None:
                raise BadRequestError(
                    f"{info.path} booted, but nobody can log in: "
                    "sshd does not run, or no user accepts the key of the run",
                    "Let user_data's users have the entry default, and the image have sshd; or leave out keep_running",
                )
            document = {
                "request": wanted,
                "image": info.path,
                "boot": guest.boot.result(),
                "guest": {"name": name, "expires": format_time(guest.expires), **_access(guest)},
            }
            write_json(state, document, 0o600)
            machine.keep(guest.place)
        return _answer(document, changed=True, before=known is not None)


def _absent(layout: Layout, boots: str, name: str, check_mode: bool) -> dict[str, t.Any]:
    """End the guest of this name, and remove all that is left of it."""
    state = _state_file(boots, name)
    # Whoever boots by this name holds the lock, until it is known where. Without the directory nobody ever did.
    locked = not check_mode and os.path.isdir(layout.locks)
    with layout.lock(f"boot:{name}") if locked else contextlib.nullcontext():
        known = read_record(state, _with_all_that_is_used)
        place = None if known is None else Place(known["guest"]["directory"])
        running = place is not None and (place.is_alive() or os.path.isdir(place.directory))
        if not check_mode and place is not None:
            _end(place)
            remove_file(state)
    return {"changed": running, "image": None, "boot": None, "guest": None, "diff": _diff(running, False)}


def _end(place: Place) -> None:
    machine.stop(place)
    place.remove()


def _running(boots: str, name: str) -> dict[str, t.Any] | None:
    """What is known of the guest of this name; None where none runs (any more)."""
    known = read_record(_state_file(boots, name), _with_all_that_is_used)
    return known if known is not None and Place(known["guest"]["directory"]).is_alive() else None


def _with_all_that_is_used(document: dict[str, t.Any]) -> dict[str, t.Any]:
    """What is known of a guest; raises KeyError or TypeError where a part is missing or another thing."""
    os.fspath(document["guest"]["directory"])
    return {part: document[part] for part in ("request", "image", "boot", "guest")}


def _answer(known: Mapping[str, t.Any], *, changed: bool, before: bool = True) -> dict[str, t.Any]:
    found = {name: known[name] for name in ("image", "boot", "guest")}
    return {"changed": changed, **found, "diff": _diff(before, True)}


def _announced(image: str, known: Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """For check mode: it would be booted."""
    return {"changed": True, "image": image, "boot": None, "guest": None, "diff": _diff(known is not None, True)}


def _diff(before: bool, after: bool) -> dict[str, dict[str, str]]:
    words = {True: "running", False: "absent"}
    return {"before": {"guest": words[before]}, "after": {"guest": words[after]}}


def _access(guest: Guest) -> dict[str, t.Any]:
    """How to log in to the guest."""
    files = guest.credentials
    return {
        "host": LOOPBACK,
        "port": guest.port,
        "user": guest.boot.user,
        "private_key_file": files.key_file,
        "known_hosts_file": files.known_hosts,
        "ssh_common_args": shlex.join(ssh.options(files.known_hosts)),
        "directory": guest.place.directory,
        "console_log": guest.place.console,
    }


def _options(params: Mapping[str, t.Any]) -> BootOptions:
    console_log = params["console_log"]
    return BootOptions(
        firmware=params["firmware"],
        accel=params["accel"],
        memory=parse_size(params["memory"], "memory"),
        cpus=params["cpus"],
        timeout=params["timeout"],
        disk_size=None if params["disk_size"] is None else parse_size(params["disk_size"], "disk_size"),
        user_data=params["user_data"],
        network_config=params["network_config"],
        ssh=params["ssh"],
        ssh_port=params["ssh_port"],
        allow_failed_units=tuple(params["allow_failed_units"]),
        allow_ordering_cycles=params["allow_ordering_cycles"],
        allow_cloud_init_errors=params["allow_cloud_init_errors"],
        console_log=None if console_log is None else os.path.abspath(console_log),
    )


def _lifetime(given: str) -> timedelta:
    try:
        lifetime = parse_age(given)
    except BadRequestError as error:
        raise BadRequestError(f"max_lifetime: {error.cause}", error.way_out) from error
    if lifetime > _LONGEST_LIFETIME:
        raise BadRequestError(f"max_lifetime is {given}", "Give a year at the most, which is 365d")
    return lifetime


def _require_growing(options: BootOptions, info: qemu_img.ImageInfo) -> None:
    if options.disk_size is not None and options.disk_size < info.virtual_size:
        raise BadRequestError(
            f"disk_size is less than the image's own {info.virtual_size} bytes",
            "Leave disk_size out, or choose a larger one: disks are only grown",
        )


def _name(params: Mapping[str, t.Any]) -> str:
    name = params["name"]
    if name is None and params["image"] is not None:
        name = re.sub(r"[^A-Za-z0-9._-]", "-", os.path.splitext(os.path.basename(params["image"]))[0]).lstrip("._-")
    if name is None:
        raise BadRequestError("neither name nor image is given", "Name the guest, or the image that it was booted from")
    if not _NAME.fullmatch(name):
        raise BadRequestError(
            f"the name {name!r} cannot be used",
            "Give one by the option name, of at most 128 letters (ASCII), digits, dots, hyphens and underscores",
        )
    return str(name)


def _digest(options: BootOptions, image: str, max_lifetime: str) -> str:
    """Tells whether a guest is one that was asked for; what may be secret goes in as a digest alone."""
    plain = asdict(replace(options, console_log=None))
    asked = {**plain, "image": image, "identity": repr(identity_of(image)), "max_lifetime": max_lifetime}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _state_file(boots: str, name: str) -> str:
    return os.path.join(boots, f"{name}.json")


def _make(boots: str, locks: str | None = None) -> None:
    """Make the directories that are missing."""
    try:
        os.makedirs(boots, mode=0o700, exist_ok=True)
        if locks is not None:
            os.makedirs(locks, mode=0o755, exist_ok=True)
    except OSError as error:
        raise refusal(error.filename or boots, error) from error
