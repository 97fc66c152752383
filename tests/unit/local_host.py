# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Host that needs no AnsibleModule: it runs programs and opens URLs of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import CommandError, MissingProgramError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.host import Completed, Response
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.module_host import open_response


class LocalHost:
    def __init__(self, tmpdir: str, **http_options: object) -> None:
        self.tmpdir = tmpdir
        self.warnings: list[str] = []
        self.http_options = {"timeout": 5, "use_proxy": False, **http_options}

    def which(self, program: str) -> str | None:
        return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")

    def require(self, program: str, package: str) -> str:
        path = self.which(program)
        if path is None:
            raise MissingProgramError(program, package)
        return path

    def run(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: str | None = None,
        timeout: float | None = None,
    ) -> Completed:
        try:
            done = subprocess.run(
                list(argv),
                env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C", **(environ or {})},
                cwd=cwd,
                input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
                timeout=timeout,
                capture_output=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"{argv[0]} was stopped after {timeout} seconds") from error
        # Not by subprocess, which would turn every kind of line end into one.
        stdout, stderr = (said.decode("utf-8", "surrogateescape") for said in (done.stdout, done.stderr))
        return Completed(tuple(argv), done.returncode, stdout, stderr)

    def open_url(self, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        return open_response(url, headers or {}, self.http_options)

    def warn(self, message: str) -> None:
        self.warnings.append(message)
