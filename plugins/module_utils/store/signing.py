# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksum files beside published files, and their signatures by gpg(1)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..common.errors import BadRequestError, CommandError
from ..common.host import Host
from .layout import Layout, hex_of

_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
_PREFIX = "[GNUPG:] "
_TIMEOUT = 120
PACKAGE = "gpg"


def checksum_path(path: str) -> str:
    """Where the checksum file of ``path`` is."""
    return f"{path}.sha256"


def signature_path(path: str) -> str:
    """Where the signature of the checksum file of ``path`` is."""
    return f"{checksum_path(path)}.asc"


def checksum_text(path: str, digest: str) -> str:
    """What ``sha256sum`` prints of the file at ``path``, run in its directory; ``sha256sum -c`` reads it."""
    name = os.path.basename(path)
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{hex_of(digest)}  {escaped}\n"


def parse_fingerprint(text: str, option: str) -> str:
    """The fingerprint as gpg writes it; raises BadRequestError for what may mean several keys."""
    fingerprint = text.replace(" ", "").upper()
    fingerprint = fingerprint[2:] if fingerprint.startswith("0X") else fingerprint
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise BadRequestError(
            f"{option} is {text!r}, which is not the fingerprint of a key",
            "Give all of its 40 digits, as gpg --list-secret-keys --fingerprint shows them",
        )
    return fingerprint


@dataclass(frozen=True)
class Signer:
    """A key of gpg on this host."""

    host: Host
    layout: Layout
    fingerprint: str
    homedir: str | None
    """gpg's home directory; None: the user's own."""
    passphrase: str | None
    """None: the key has none, or gpg's agent knows it."""

    def require_able(self) -> None:
        """Sign nothing, so that a wrong passphrase is told before the work and not after it.

        Raises BadRequestError where the key cannot sign; MissingProgramError.
        """
        argv = [*self._signing(), "--status-fd", "2", "--output", "-", os.devnull]
        with self._agent():
            done = self.host.run(argv, stdin=self._stdin(), timeout=_TIMEOUT)
        if done.rc:
            raise BadRequestError(
                f"the key {self.fingerprint} cannot sign: {_reason(done.stderr)}",
                "Is the secret key in this user's gpg (or in gnupghome), is it alive, and is signing_passphrase right?"
                " Without one, the key has to have none, or gpg-agent to know it",
            )

    def sign(self, path: str, signature: str) -> None:
        """Write a detached, armored signature of ``path`` to the new file ``signature``."""
        argv = [*self._signing(), "--output", signature, path]
        with self._agent():
            done = self.host.run(argv, stdin=self._stdin(), timeout=_TIMEOUT)
        if done.rc:
            raise CommandError(f"gpg could not sign {path} with the key {self.fingerprint}: {_reason(done.stderr)}")

    @contextlib.contextmanager
    def _agent(self) -> Iterator[None]:
        """In between gpg may start an agent, which is ended; one that was there stays.

        One signature at a time: a run would end the agent of another, or take it for one that was there.
        """
        home = self.homedir or os.environ.get("GNUPGHOME") or os.path.expanduser("~/.gnupg")
        with self.layout.lock(f"gpg:{os.path.realpath(home)}"):
            running = self._agent_runs()
            try:
                yield
            finally:
                gpgconf = self.host.which("gpgconf")
                if not running and gpgconf is not None:
                    self._run([gpgconf, *self._home(), "--kill", "gpg-agent"])

    def _agent_runs(self) -> bool:
        connect = self.host.which("gpg-connect-agent")
        if connect is None:
            return False
        # Its exit status is 0 where there is no agent, too.
        return "OK" in self._run([connect, *self._home(), "--no-autostart", "GETINFO pid", "/bye"]).split()

    def _signing(self) -> list[str]:
        gpg = self.host.require("gpg", PACKAGE)
        argv = [gpg, *self._home(), "--batch", "--no-tty", "--yes", "--digest-algo", "SHA512"]
        # Nobody is there to be asked. The passphrase comes through a pipe.
        mode = "error" if self.passphrase is None else "loopback"
        argv += ["--pinentry-mode", mode, *([] if self.passphrase is None else ["--passphrase-fd", "0"])]
        return [*argv, "--local-user", self.fingerprint, "--armor", "--detach-sign"]

    def _stdin(self) -> str:
        return "" if self.passphrase is None else f"{self.passphrase}\n"

    def _home(self) -> list[str]:
        return [] if self.homedir is None else ["--homedir", self.homedir]

    def _run(self, argv: list[str]) -> str:
        return self.host.run(argv, stdin="", timeout=_TIMEOUT).stdout


def _reason(stderr: str) -> str:
    said = [line for line in stderr.splitlines() if line.strip() and not line.startswith(_PREFIX)]
    return said[-1].replace("gpg: ", "", 1) if said else "gpg does not say why"
