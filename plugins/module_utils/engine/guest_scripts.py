# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell scripts that run inside the image, around all operations and for each of them.

libguestfs takes half a second to run a command without KVM, and a program takes 20 to 40 ms to start. So one script,
``main``, prepares the image, carries out every operation by a shell of its own, and cleans up; what the shell can do
itself, it does itself. ``begin`` comes before it where files have to be uploaded, more text than fits into ``main``, or
a secret: ``main`` is an argument, which all that runs in the image can read.

:data:`RAM` and :data:`STAGING` are in memory. What may hold secrets (scripts, contents, output) lies there and never
reaches the image's disk, and neither do small files that steps bring along. :data:`PRIVATE` is a directory of root's on
the disk, for other uploads only, which are overwritten; it is gone afterwards.

They are POSIX shell, and want of the image what every Debian and Ubuntu has: coreutils, diffutils, findutils, mount.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from .guest_identity import NOTE_IDENTITY, RESTORE_IDENTITY
from .guest_texts import BEGIN, DIRECTORIES, END, ENVIRONMENT, GROW, LIBRARY, PACKAGES, PREPARE, RAM, RESOLVER
from .report_disk import ReportDisk

PRIVATE = "/.goldsmith"
UPLOADS = f"{PRIVATE}/uploads"
STAGING = f"{PRIVATE}/ram"
"""A tmpfs, for what libguestfs itself shall put into memory: it sees the image's own /dev."""
UPLOADS_IN_MEMORY = f"{STAGING}/uploads"


def begin_script(report: ReportDisk, *, staging: bool, grow: bool) -> str:
    """Make room for what libguestfs brings in, with ``staging`` also in memory.

    ``grow``: the disk is larger than the base's.
    """
    mount = f"mount -t tmpfs -o mode=0700 goldsmith @STAGING@\nmkdir -m 0700 {UPLOADS_IN_MEMORY}\n" if staging else ""
    return _filled(report, ENVIRONMENT, LIBRARY, DIRECTORIES, BEGIN.replace("@MOUNT@", mount), GROW if grow else "")


@dataclass(frozen=True)
class Main:
    """What ``main`` is made of."""

    texts: str
    """Commands that put scripts and contents below :data:`RAM`."""
    calls: str
    """Calls of :func:`step`, :func:`operation` and ``leave``."""
    directories: tuple[str, ...] = ()
    """To be made below :data:`RAM`."""
    grow: bool = False
    """The disk is larger than the base's, and was not grown yet."""
    network: bool = False
    """The appliance has one."""
    private: bool = False
    """There was a ``begin``."""

    def script(self, report: ReportDisk) -> str:
        """Everything from the first operation to the last, and what comes before and after."""
        made = "".join(f" @RAM@/{name}" for name in self.directories)
        before = _filled(
            report,
            ENVIRONMENT,
            LIBRARY,
            "" if self.private else DIRECTORIES,
            f"mkdir -m 0700{made}\n" if made else "",
            PREPARE,
            NOTE_IDENTITY,
            GROW if self.grow else "",
            PACKAGES,
            RESOLVER if self.network else "",
        )
        end = END.replace("@PRIVATE_TOO@", "remove_private\n" if self.private else "")
        after = _filled(report, end.replace("@RESTORE@", RESTORE_IDENTITY))
        return before + self.texts + self.calls + after


def step(timeout: int | None) -> str:
    """A call: a step begins that may take so many seconds."""
    return f"step '{'' if timeout is None else timeout}'\n"


def operation(number: str, script: str, timeout: int | None) -> str:
    """A call: run a script, within so many seconds."""
    return f"operation {number} {script}{'' if timeout is None else f' {timeout}'}\n"


def put(path: str, text: str) -> str:
    """A command of the shell's own that writes a file; ``path`` is plain."""
    return f"{_print(text)} >{path}\n"


def write_file(content: str, dest: str, mode: str, owner: str, group: str) -> str:
    """A script that makes a file with this content, replacing a file or link that is there."""
    return require_directory(dest) + _replace(dest) + f"{_print(content)} >{shlex.quote(dest)}\n" + _attributes(
        dest, mode, owner, group
    )  # fmt: skip


def copy_file(source: str, dest: str, mode: str, owner: str, group: str) -> str:
    """As :func:`write_file`, with the content of a file that is plain to name."""
    return require_directory(dest) + _replace(dest) + f"cat {source} >{shlex.quote(dest)}\n" + _attributes(
        dest, mode, owner, group
    )  # fmt: skip


def place_file(source: str, dest: str, mode: str, owner: str, group: str) -> str:
    """A script that gives an uploaded file its place, replacing a file or link that is there."""
    attributes = f"chown {shlex.quote(f'{owner}:{group}')} {source}\nchmod {shlex.quote(mode)} {source}\n"
    return require_directory(dest) + attributes + f"mv -f -T -- {source} {shlex.quote(dest)}\n"


def require_directory(dest: str) -> str:
    """A script that fails, in words, when the directory of ``dest`` does not exist."""
    directory = shlex.quote(dest.rpartition("/")[0] or "/")
    return (
        f"if [ ! -d {directory} ]; then\n"
        f"  printf '%s\\n' {shlex.quote('the directory of ' + dest + ' does not exist in the image')} >&2\n"
        f"  echo 'make it by a step mkdir before this one' >&2\n"
        f"  exit 1\n"
        f"fi\n"
    )


def _replace(dest: str) -> str:
    quoted = shlex.quote(dest)
    return f"if [ -e {quoted} ] || [ -L {quoted} ]; then rm -f -- {quoted}; fi\n"


def _attributes(dest: str, mode: str, owner: str, group: str) -> str:
    """Without a program for what a file has that root makes with the umask 022."""
    of = shlex.quote(dest)
    script = "" if (owner, group) == ("root", "root") else f"chown -- {shlex.quote(f'{owner}:{group}')} {of}\n"
    return script if mode == "0644" else f"{script}chmod -- {shlex.quote(mode)} {of}\n"


def _print(text: str) -> str:
    # No shell takes a NUL in a word.
    parts = text.split("\0")
    return " ".join(["printf", shlex.quote("\\0".join(["%s"] * len(parts))), *map(_quoted, parts)])


def _quoted(text: str) -> str:
    # shlex.quote() makes `'"'"'` of a quote, which grows faster where it is quoted again.
    return "'" + text.replace("'", "'\\''") + "'"


def _filled(report: ReportDisk, *texts: str) -> str:
    values = {
        "RAM": RAM,
        "PRIVATE": PRIVATE,
        "UPLOADS": UPLOADS,
        "STAGING": STAGING,
        "MAGIC": report.magic,
        "OUT": report.directory,
        "SECTORS": str(report.size // 512),
        "LIMIT": str(report.limit),
    }
    text = "".join(texts)
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
