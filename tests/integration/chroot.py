# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps carried out in the test base image's own userland, on this host's kernel: in a second, without an appliance.

The image's file systems are mounted read-only, and every :class:`Chroot` writes to an overlay of its own::

    with userland(image) as lower, Chroot.over(lower, tmp_path) as chroot:
        chroot.apply([{"write": {"dest": "/etc/motd", "content": "Hi"}}])
        assert (chroot.root / "etc/motd").read_text() == "Hi"

It is for what steps do in an image. How an engine carries them out is tested with the engine.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.tree import write_archive
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import TREE, Step, all_operations
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Operation, Run, Upload
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps

from .mounted import mounted

_PRIVATE = ".goldsmith"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SCRIPT = """\
set -eu
root=$1
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 dev "$root/dev"
mkdir "$root/dev/shm"
for device in @DEVICES@; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
if [ -x "$root/usr/sbin/grub-probe" ]; then
    touch "$root/dev/vda1" "$root/dev/vda16"
    cp "$2" "$root/dev/shm/grub-probe"
    chmod 0755 "$root/dev/shm/grub-probe"
    mount --bind "$root/dev/shm/grub-probe" "$root/usr/sbin/grub-probe"
fi
exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive HOME=/root FILES="/@PRIVATE@/files" \
    sh -c 'umask 022; cd /; exec sh -eu /@PRIVATE@/script'
"""

# GRUB's own cannot look through an overlay; this one says of the disk what that would say in the image.
_GRUB_PROBE = """\
#!/bin/sh
target= place=
while [ "$#" -gt 0 ]; do
    case $1 in
        --target=*) target=${1#--target=} ;;
        -t | --target) target=$2; shift ;;
        --device | -d) ;;
        *) place=$1 ;;
    esac
    shift
done
number=1 uuid=11111111-1111-4111-8111-111111111111
case $place in
    /boot* | /dev/vda16) number=16 uuid=16161616-1616-4616-8616-161616161616 ;;
esac
case $target in
    device) echo "/dev/vda$number" ;;
    fs) echo ext2 ;;
    fs_uuid | partuuid) echo "$uuid" ;;
    partmap) echo gpt ;;
    compatibility_hint) echo "hd0,gpt$number" ;;
    hints_string) echo "--hint-bios=hd0,gpt$number" ;;
esac
"""


class StepFailedError(AssertionError):
    """A step's script failed; the text is what it printed."""


@dataclass
class Chroot:
    """One overlay over the userland."""

    root: Path
    output: list[str] = field(default_factory=list)
    """What each script printed."""

    @classmethod
    @contextlib.contextmanager
    def over(cls, lower: Mapping[str, Path], directory: Path) -> Iterator[Chroot]:
        """An overlay over what :func:`userland` yields; what is written lies below ``directory``."""
        with contextlib.ExitStack() as stack:
            root = directory / "root"
            root.mkdir(parents=True)
            for mountpoint, source in lower.items():
                name = mountpoint.strip("/") or "rootfs"
                upper, work = directory / f"{name}.upper", directory / f"{name}.work"
                upper.mkdir()
                work.mkdir()
                options = f"lowerdir={source},upperdir={upper},workdir={work}"
                target = root / mountpoint.strip("/")
                subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(target)], check=True)
                stack.callback(subprocess.run, ["umount", "-l", str(target)], check=True)
            yield cls(root)

    def apply(self, steps: Sequence[Mapping[str, t.Any]]) -> None:
        """Carry out these steps, written as users write them; raises StepFailedError.

        Files are those of the paths that the steps give. Templates are taken as they are; conditions are not asked.
        """
        with tempfile.TemporaryDirectory(prefix="chroot-") as directory:
            parsed = parse_steps(steps)
            paths = {step.index: _payloads(step, os.path.join(directory, str(step.index))) for step in parsed}
            for step in all_operations(parsed, paths):
                for operation in step.operations:
                    self._carry_out(operation)

    def _carry_out(self, operation: Operation) -> None:
        private = self.root / _PRIVATE
        files = private / "files"
        files.mkdir(parents=True)
        private.chmod(0o700)
        try:
            if isinstance(operation, Run):
                for name, source in operation.files.items():
                    shutil.copyfile(source, files / name)
                for name, text in operation.contents.items():
                    (files / name).write_text(text)
                script = operation.script
            else:
                if isinstance(operation, Upload):
                    shutil.copyfile(operation.source, files / "new")
                else:
                    (files / "new").write_text(operation.content)
                dest = shlex.quote(operation.dest)
                script = f"[ -d {shlex.quote(os.path.dirname(operation.dest))} ]\n"
                script += f"chown {operation.owner}:{operation.group} $FILES/new\nchmod {operation.mode} $FILES/new\n"
                script += f"mv -f -T -- $FILES/new {dest}\n"
            (private / "script").write_text(script)
            self.output.append(self._run())
        finally:
            shutil.rmtree(private)

    def _run(self) -> str:
        script = _SCRIPT.replace("@DEVICES@", " ".join(_DEVICES)).replace("@PRIVATE@", _PRIVATE)
        with tempfile.NamedTemporaryFile("w", prefix="grub-probe-") as grub_probe:
            grub_probe.write(_GRUB_PROBE)
            grub_probe.flush()
            unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
            done = subprocess.run(
                [*unshare, "sh", "-c", script, "sh", self.root, grub_probe.name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        if done.returncode:
            raise StepFailedError(done.stdout)
        return done.stdout


def _payloads(step: Step, directory: str) -> dict[str, str]:
    os.mkdir(directory)
    return {place: _payload(step, place, path, directory) for place, path in step.files()}


def _payload(step: Step, place: str, path: str, directory: str) -> str:
    """What an engine is given for a file that a step names."""
    if step.file_kind(place) != TREE:
        return path
    archive = os.path.join(directory, place)
    with open(archive, "wb") as file:
        write_archive(path, file)
    return archive


@contextlib.contextmanager
def userland(image: Path) -> Iterator[dict[str, Path]]:
    """The mounted file systems of an image by their mount point."""
    with mounted(image) as root, mounted(image, label="BOOT") as boot:
        yield {"/": root, "/boot": boot}
