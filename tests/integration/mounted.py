# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look into a disk image from outside, without a virtual machine and without the nbd module.

``qemu-storage-daemon`` shows the image as a raw file through FUSE; partitions are mounted by their offsets, because
not every kernel scans partitions of loop devices. Needs root, loop devices and FUSE. Only for images made here.

    with mounted("golden.qcow2") as root:
        print((root / "etc/hostname").read_text())

or, where a directory is wanted for as long as a command runs::

    python3 -m tests.integration.mounted golden.qcow2 -- ls -l {}
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT_LABEL = "cloudimg-rootfs"
_SECONDS = 15


@contextlib.contextmanager
def mounted(image: str | Path, label: str = ROOT_LABEL, *, writable: bool = False) -> Iterator[Path]:
    """Mount the file system with this label of an image, read-only unless ``writable``; yields the directory."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="goldsmith-mounted-")))
        raw = stack.enter_context(_exported(Path(image), directory, writable))
        loop = stack.enter_context(_loop_device(raw, label, writable))
        mountpoint = directory / "root"
        mountpoint.mkdir()
        # noload: a journal that was not replayed stays so, because nothing may be written.
        extended = _run("blkid", "-p", "-s", "TYPE", "-o", "value", loop).startswith("ext")
        options = "rw" if writable else "ro,noload" if extended else "ro"
        _run("mount", "-o", options, loop, str(mountpoint))
        stack.callback(_run, "umount", str(mountpoint))
        yield mountpoint


@contextlib.contextmanager
def _exported(image: Path, directory: Path, writable: bool) -> Iterator[Path]:
    """The image as a raw file."""
    raw = directory / "raw"
    raw.touch()
    info = json.loads(_run("qemu-img", "info", "-U", "--output=json", str(image)))
    block = {
        "driver": info["format"],
        "node-name": "image",
        "read-only": not writable,
        "file": {"driver": "file", "filename": str(image.resolve()), "read-only": not writable, "locking": "off"},
    }
    export = {"type": "fuse", "id": "raw", "node-name": "image", "mountpoint": str(raw), "writable": writable}
    pid = directory / "pid"
    argv = ["qemu-storage-daemon", "--daemonize", "--pidfile", str(pid)]
    _run(*argv, "--blockdev", json.dumps(block), "--export", json.dumps(export))
    try:
        yield raw
    finally:
        # Unmounting the file ends the export; the daemon stays until it is told to go.
        _run("kill", pid.read_text().strip())
        for dummy in range(_SECONDS * 20):
            if not pid.exists():
                break
            time.sleep(0.05)
        else:
            raise TimeoutError(f"qemu-storage-daemon still serves {image}")


@contextlib.contextmanager
def _loop_device(raw: Path, label: str, writable: bool) -> Iterator[str]:
    """The partition with the file system of this label, as a loop device."""
    table = json.loads(_run("sfdisk", "--json", str(raw)))["partitiontable"]
    seen = []
    for part in table["partitions"]:
        offset, size = part["start"] * table["sectorsize"], part["size"] * table["sectorsize"]
        probe = ["blkid", "-p", "-O", str(offset), "-S", str(size), "-s", "LABEL", "-o", "value", str(raw)]
        found = subprocess.run(probe, check=False, capture_output=True, text=True).stdout.strip()
        seen.append(found or "(none)")
        if found != label:
            continue
        arguments = ["-f", "--show", "-o", str(offset), "--sizelimit", str(size), *([] if writable else ["-r"])]
        loop = _run("losetup", *arguments, str(raw)).strip()
        try:
            yield loop
        finally:
            _run("losetup", "-d", loop)
        return
    raise LookupError(f"no file system has the label {label}; the partitions' labels are {', '.join(seen)}")


def _run(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {done.stderr.strip()}")
    return done.stdout


def main(argv: list[str]) -> int:
    """``IMAGE -- COMMAND…``: run the command, ``{}`` in it replaced by the directory of the mounted root."""
    image, separator, *command = argv
    if separator != "--" or not command:
        raise SystemExit("usage: python3 -m tests.integration.mounted IMAGE -- COMMAND…")
    with mounted(image) as root:
        return subprocess.run([word.replace("{}", str(root)) for word in command], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
