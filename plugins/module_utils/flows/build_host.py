# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What builds will use on this host, and what would stop them."""

from __future__ import annotations

import os
import pwd
import re
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..common.errors import BadRequestError, GoldsmithError, StoreError
from ..common.host import Host
from ..common.size import format_size, parse_size
from ..common.space import free_bytes
from ..engine import accel, appliance, passt, registry
from ..engine.environment import cache_directory
from ..engine.model import Build
from ..store.layout import DEFAULT_ROOT, Layout

_VERSION_OPTIONS = {"debugfs": "-V", "ssh": "-V"}
"""Where it is not ``--version``."""
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+[0-9A-Za-z.~+]*")
_ENGINE = "virt_customize"
_APPLIANCE_SIZE = 1024**3
"""Bytes for the appliance that libguestfs keeps."""
_NO_DHCP = "libguestfs' appliance has no DHCP client, so that no step has a network"
_NO_DHCP_WAY_OUT = "Install the package dhcpcd-base, or build with network: false"
_PASST_WAY_OUT = (
    "Build as root, where it is not used, or with network: false, or let AppArmor allow it by "
    "/etc/apparmor.d/local/usr.bin.passt, or remove the package passt"
)


def build_host_argument_spec() -> dict[str, t.Any]:
    """The options of ``build_host_info``."""
    return {
        "store": {"type": "path", "default": DEFAULT_ROOT},
        "dest_dirs": {"type": "list", "elements": "path", "default": []},
        "min_free": {"type": "str", "default": "10G"},
        "accel": {"type": "str", "choices": list(accel.ACCELERATORS), "default": "auto"},
        "network": {"type": "bool", "default": True},
        "launch": {"type": "bool", "default": False},
    }


def tools() -> dict[str, str]:
    """The programs of builds, of fetches, and of looking into images and booting them, by the package that has them."""
    return {
        "virt-customize": "guestfs-tools",
        "supermin": "supermin",
        "qemu-img": "qemu-utils",
        appliance.qemu_program(): appliance.qemu_package(),
        "gpgv": "gpgv",
        "zstd": "zstd",
        "debugfs": "e2fsprogs",
        "sfdisk": "fdisk",
        "xorriso": "xorriso",
        "ssh": "openssh-client",
    }


@dataclass
class Problems:
    """What would stop a build, each once."""

    found: list[dict[str, str]] = field(default_factory=list)

    def add(self, error: GoldsmithError) -> None:
        problem = {"problem": error.cause, "way_out": error.way_out}
        if all(known["problem"] != error.cause for known in self.found):
            self.found.append(problem)

    def catch(self, look: Callable[[], t.Any]) -> t.Any:
        """What ``look`` returns; None where it raises a GoldsmithError, which is a problem then."""
        try:
            return look()
        except GoldsmithError as error:
            self.add(error)
            return None


def inspect_build_host(host: Host, params: Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """What ``build_host_info`` does and returns; ``params`` are those of :func:`build_host_argument_spec`."""
    least = parse_size(params["min_free"], "min_free")
    problems = Problems()
    versions = {program: _version(host, problems, program, package) for program, package in tools().items()}
    accelerator, reason = _accelerator(host, problems, params["accel"])
    kernel = problems.catch(lambda: appliance.kernel(host)) if versions["supermin"] else None
    network = _network(host, problems, params["network"])
    directories = [
        _directory(problems, path, purpose, needed)
        for path, purpose, needed in (
            (params["store"], "store", least),
            *((path, "destination", least) for path in params["dest_dirs"]),
            (cache_directory(os.environ), "appliance", _APPLIANCE_SIZE),
        )
    ]
    problems.catch(lambda: _require_own(Layout(params["store"])))
    # The engine has the last word.
    disk = os.path.join(Layout(params["store"]).layers, "disk.qcow2")
    build = Build(disk, os.path.dirname(disk), (), accel="tcg", network=params["network"])
    problems.catch(lambda: registry.ENGINES[_ENGINE].preflight(host, build))
    seconds = None
    if params["launch"] and not check_mode and not problems.found:
        seconds = problems.catch(lambda: appliance.launch(host, accelerator))
    return {
        "changed": False,
        "ready": not problems.found,
        "problems": problems.found,
        "user": _user(),
        "tools": versions,
        "accel": accelerator,
        "accel_reason": reason,
        "kernel": None if kernel is None else {"path": kernel.path, "modules": kernel.modules},
        "network": network,
        "directories": directories,
        "launch_seconds": seconds,
    }


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _version(host: Host, problems: Problems, program: str, package: str) -> str | None:
    """The version of a program; None where it is missing or does not run, which is a problem."""
    path = problems.catch(lambda: host.require(program, package))
    if path is None:
        return None
    # supermin first makes a directory in TMPDIR, which become may have handed on from a user whose directory it is.
    option = _VERSION_OPTIONS.get(program, "--version")
    done = host.run([path, option], environ={"TMPDIR": host.tmpdir}, stdin="")
    if done.rc != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[-1]
        way_out = f"See what {path} {option} says on this host, and install the package {package} again"
        problems.add(BadRequestError(f"{path} does not run: it ended with exit status {done.rc}: {said}", way_out))
        return None
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else ""


def _accelerator(host: Host, problems: Problems, wanted: str) -> tuple[str, str]:
    """The accelerator, and why it is that one."""
    if wanted == "tcg":
        return "tcg", "accel: tcg was asked for"
    kvm = accel.probe(host)
    if kvm.works:
        return "kvm", f"a guest started with {accel.KVM_DEVICE}"
    problems.catch(lambda: accel.choose(wanted, kvm))
    return "tcg", kvm.reason


def _network(host: Host, problems: Problems, wanted: bool) -> dict[str, t.Any] | None:
    program = host.which("virt-customize")
    if not wanted or program is None:
        return None
    network = appliance.network(host, program)
    if not network.dhcp_clients:
        problems.add(BadRequestError(_NO_DHCP, _NO_DHCP_WAY_OUT))
    if network.backend == "passt":
        failed = passt.failure(host)
        if failed:
            problems.add(
                BadRequestError(
                    f"libguestfs uses passt for the appliance's network, which fails: {failed}", _PASST_WAY_OUT
                )
            )
    return {"backend": network.backend, "reason": network.reason, "dhcp_clients": list(network.dhcp_clients)}


def _directory(problems: Problems, path: str, purpose: str, needed: int) -> dict[str, t.Any]:
    """What is known of a directory, which need not exist yet."""
    path = os.path.abspath(path)
    existing = path
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    is_directory = os.path.isdir(existing)
    writable = is_directory and os.access(existing, os.W_OK | os.X_OK)
    free = free_bytes(existing) if is_directory else None
    if not is_directory:
        problems.add(StoreError(f"{existing} is not a directory", "Move it away, or choose another directory"))
    elif not writable:
        problems.add(_not_writable(existing))
    elif free is not None and free < needed:
        problems.add(
            StoreError(
                f"{format_size(free)} are free on the file system of {path}, and {format_size(needed)} are wanted",
                "Free some space, choose a directory on another file system, or want less by min_free",
            )
        )
    return {"path": path, "purpose": purpose, "exists": existing == path, "writable": writable, "free": free}


def _require_own(layout: Layout) -> None:
    """What is in the store already may be another user's."""
    for directory in (layout.images, layout.payloads, layout.layers, layout.records, layout.locks):
        if os.path.isdir(directory) and not os.access(directory, os.W_OK | os.X_OK):
            raise _not_writable(directory)


def _not_writable(directory: str) -> StoreError:
    return StoreError(
        f"{_user()} may not write to {directory}",
        "Give it to that user, as the role build_host does, use become, or choose another directory",
    )
