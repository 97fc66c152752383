# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rooms need of the machine they work on, apart from Ansible.

The rooms take a :class:`Host`; modules pass a :class:`~.module_host.ModuleHost`,
tests pass a real one that needs no AnsibleModule (``tests/unit/local_host.py``).
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import CommandError


@dataclass(frozen=True)
class Completed:
    """A program that ran to its end. ``stdout`` and ``stderr`` are text (UTF-8, surrogateescape)."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    def checked(self) -> Completed:
        """Return itself, or raise :class:`CommandError` with the last lines of the output."""
        if self.rc == 0:
            return self
        said = (self.stderr.strip() or self.stdout.strip() or "it printed nothing").splitlines()
        raise CommandError(
            f"{self.argv[0]} failed with exit status {self.rc}: " + "\n".join(said[-10:]),
            argv=list(self.argv),
            rc=self.rc,
        )


class Response(t.Protocol):
    """An HTTP answer of status 2xx, open for reading."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""

    def read(self, amount: int = ...) -> bytes:
        """At most ``amount`` bytes; ``b""`` at the end. UnreachableError when the connection breaks or stalls."""

    def close(self) -> None:
        """Give the connection back."""


class Host(t.Protocol):
    """The machine on which the work is done."""

    tmpdir: str
    """A directory for small temporary files, removed with the module."""

    def which(self, program: str) -> str | None:
        """The path of a program, or None."""

    def require(self, program: str, package: str) -> str:
        """The path of a program; raises MissingProgramError naming the package that has it."""

    def run(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: str | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Run a program in the C locale.

        The program dies with the caller, also when that is killed. ``timeout`` is in seconds; CommandError when it
        is over. ``environ`` is added to the environment. ``argv`` never holds a secret.
        """

    def open_url(self, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """Open a URL. Raises HttpStatusError or UnreachableError."""

    def warn(self, message: str) -> None:
        """Tell the user something that does not stop the work."""
