# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of 32 MiB with a shell, some programs and nothing else: libguestfs looks at them in half the time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

_PROGRAMS = ["sh", "dash", "ls", "cat", "chmod", "chown", "cp", "head", "ln", "mkdir", "mount", "mv", "rm", "rmdir"]
_PROGRAMS += ["setsid", "sleep", "stat", "tail", "timeout", "umount", "true"]
_MIB = 1024**2
SIZE = 32 * _MIB


def tiny_image(path: Path, *, systems: int = 1) -> Path:
    """Make a raw image: one file system without partitions, or several systems, each in a partition."""
    for number in range(systems):
        _file_system(path.with_name(f"{path.name}.{number}"), f"root{number}")
    if systems == 1:
        return path.with_name(f"{path.name}.0").rename(path)
    with open(path, "wb") as image:
        image.truncate((SIZE * systems) + 2 * _MIB)
        for number in range(systems):
            image.seek(_MIB + number * SIZE)
            image.write(path.with_name(f"{path.name}.{number}").read_bytes())
    table = "".join(f"start={(_MIB + number * SIZE) // 512},size={SIZE // 512}\n" for number in range(systems))
    subprocess.run(["sfdisk", "-q", path], input=f"label: gpt\n{table}", text=True, check=True)
    return path


def _file_system(path: Path, label: str) -> None:
    tree = path.with_name(f"{path.name}.tree")
    for name in ("etc", "usr/bin", "usr/lib", "usr/lib64", "var/lib", "dev", "proc", "sys", "tmp", "root", "opt"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (tree / name).symlink_to("usr/bin" if name == "sbin" else f"usr/{name}")
    (tree / "usr/lib/os-release").write_text('ID=tiny\nVERSION_ID="1"\n')
    (tree / "etc/os-release").symlink_to("../usr/lib/os-release")
    (tree / "etc/fstab").write_text(f"LABEL={label} / ext4 defaults 0 1\n")
    for name in _PROGRAMS:
        program = shutil.which(name, path="/usr/bin:/bin")
        assert program is not None, name
        for file in (program, *_libraries(program)):
            copied = tree / os.path.realpath(os.path.dirname(file))[1:] / os.path.basename(file)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)
            copied.chmod(0o755)
    with open(path, "wb") as image:
        image.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", label, "-d", tree, path], check=True)
    shutil.rmtree(tree)


def _libraries(program: str) -> list[str]:
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", said)
