# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NoCloud seed as a file: there, with exactly this content, or not there."""

from __future__ import annotations

import os
import tempfile
import typing as t
from collections.abc import Mapping

from ..boot.seed import LABEL, Seed, seed_from
from ..boot.seed_iso import LARGEST_FILE, PACKAGE, read_iso, write_iso
from ..boot.seed_schema import PACKAGE as CLOUD_INIT
from ..boot.seed_schema import Checked, check_schema
from ..common.errors import BadRequestError, StoreError
from ..common.file_attributes import Attributes
from ..common.host import Host
from ..common.size import format_size
from ..store.files import publish, refusal, remove_file, unreadable
from ..store.temporary import remove_abandoned, temporary_beside

MODE = "0600"
_LONGEST_NAME = 240
"""A file system takes 255 bytes; temporary names add to it."""
SCHEMA_CHECKS = ("auto", "require", "off")

_Diff = dict[str, dict[str, t.Any]]


def seed_argument_spec() -> dict[str, t.Any]:
    """The options of ``seed_iso``; owner, group and so on are added by ``add_file_common_args``."""
    return {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "user_data": {"type": "raw", "no_log": True},
        "meta_data": {"type": "raw", "no_log": True},
        "network_config": {"type": "raw", "no_log": True},
        "vendor_data": {"type": "raw", "no_log": True},
        "instance_id": {"type": "str"},
        "local_hostname": {"type": "str"},
        "schema": {"type": "str", "choices": list(SCHEMA_CHECKS), "default": "auto"},
        "mode": {"type": "raw", "default": MODE},
    }


def default_instance_id(path: str) -> str:
    """The instance id of a seed that is given none: the file's name. Raises BadRequestError for what names no file."""
    name = os.path.basename(path)
    if not name:
        raise BadRequestError(
            f"path is a directory: {path}" if path else "path is empty", "Give the path of a file, such as web-1.iso"
        )
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise BadRequestError("path has too long a name", f"Use {_LONGEST_NAME} bytes at the most")
    return os.path.splitext(name)[0]


def make_seed(host: Host, params: Mapping[str, t.Any], check_mode: bool, attributes: Attributes) -> dict[str, t.Any]:
    """What ``seed_iso`` does and returns; ``params`` are those of :func:`seed_argument_spec`."""
    name, path = default_instance_id(params["path"]), os.path.realpath(params["path"])
    if not check_mode:
        # What killed runs have left holds secrets.
        remove_abandoned(path)
    present = _present(path)
    if params["state"] == "absent":
        if present is not None and not check_mode:
            remove_file(path)
        before = {"state": "absent" if present is None else "present"}
        return {"changed": present is not None, "path": path, "diff": {"before": before, "after": {"state": "absent"}}}
    seed = seed_from(params, name)
    files = seed.files()
    for file, content in files.items():
        if len(content) > LARGEST_FILE:
            largest = format_size(LARGEST_FILE)
            raise BadRequestError(
                f"{file} has {format_size(len(content))}, and a seed's files have {largest} at the most",
                "Let the guest fetch what is large, by #include or runcmd, or put it into its image",
            )
    checked = _checked(host, seed, params["schema"])
    differing = sorted(
        name for name in {*files, *(present or {})} if present is None or files.get(name) != present.get(name)
    )
    diff: _Diff = {"before": {}, "after": {}}
    if not differing:
        changed = attributes.apply(path, diff)
    else:
        changed = True
        diff = _difference(present, files, differing)
        if check_mode:
            _foresee(host, path, attributes)
        else:
            _publish(host, seed, path, attributes)
    return {
        "changed": changed,
        "path": path,
        "files": sorted(files),
        "differing": differing,
        "schema": {"checked": list(checked.files), "errors": dict(checked.errors)},
        "diff": diff,
    }


def _present(path: str) -> dict[str, bytes] | None:
    """The files of the seed at ``path``, and none of a damaged one; None where there is no seed.

    Raises StoreError where there is something else: it might be somebody's disk.
    """
    try:
        # A pipe would have nothing to read.
        volume = read_iso(path) if os.path.isfile(path) or not os.path.lexists(path) else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    if volume is None or volume.label != LABEL:
        raise StoreError(
            f"{path} is there, and is no seed: no ISO 9660 image with the label {LABEL}",
            "Choose another path, or move it away if it is of no use",
        )
    return volume.files or {}


def _checked(host: Host, seed: Seed, demand: str) -> Checked:
    """What cloud-init says of the seed. A complaint is a warning, or an error where the check is demanded."""
    if demand == "off":
        return Checked((), {})
    if demand == "require":
        host.require("cloud-init", CLOUD_INIT)
    checked = check_schema(host, seed) or Checked((), {})
    for name, error in checked.errors.items():
        cause = f"{name} does not agree with the schema of this host's cloud-init: {error}"
        if demand == "require":
            raise BadRequestError(cause, "Correct it; schema: auto only warns, for guests with a newer cloud-init")
        host.warn(f"{cause}. The guest's cloud-init may be of another version; schema: off silences this")
    return checked


def _difference(present: Mapping[str, bytes] | None, files: Mapping[str, bytes], differing: list[str]) -> _Diff:
    """What changes, without the contents: any of them may hold secrets."""
    before: dict[str, t.Any] = {"state": "absent" if present is None else "present"}
    after: dict[str, t.Any] = {"state": "present"}
    for name in differing:
        if present is not None:
            before[name] = "other content" if name in present else "absent"
        after[name] = "present" if name in files else "absent"
    return {"before": before, "after": after}


def _foresee(host: Host, path: str, attributes: Attributes) -> None:
    """Tell of what would stop the run, and may be there by then."""
    if host.which("xorriso") is None:
        host.warn(f"xorriso is not installed: writing the seed needs it. Install the package {PACKAGE}")
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        host.warn(f"{directory} is not there: writing the seed needs it")
    elif not os.access(directory, os.W_OK | os.X_OK):
        host.warn(f"{directory} cannot be written by this user: writing the seed needs that")
    for unknown in attributes.unknown():
        host.warn(f"this host does not know the {unknown}, which the seed is to be given")


def _publish(host: Host, seed: Seed, path: str, attributes: Attributes) -> None:
    """Write the seed at one stroke; nobody else can read it before it has its owner and mode."""
    try:
        with tempfile.TemporaryDirectory(prefix="seed-", dir=host.tmpdir) as directory:
            written = os.path.join(directory, "seed.iso")
            write_iso(host, seed, written)
            with open(written, "rb") as file:
                content = file.read()
        with temporary_beside(path) as (file, temporary):
            file.write(content)
            file.flush()
            attributes.apply(temporary, {"before": {}, "after": {}})
            publish(temporary, path)
    except FileNotFoundError as error:
        raise StoreError(f"{os.path.dirname(path)} is not there", "Make it, or choose another directory") from error
    except OSError as error:
        raise refusal(path, error) from error
