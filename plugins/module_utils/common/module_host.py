# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The :class:`~.host.Host` that a module runs on."""

from __future__ import annotations

import functools
import http.client
import inspect
import math
import ssl
import typing as t
from collections.abc import Mapping, Sequence
from urllib.error import HTTPError, URLError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import ConnectionError as UrlsConnectionError
from ansible.module_utils.urls import Request, make_context

from .errors import CommandError, HttpStatusError, MissingProgramError, TransferError, UnreachableError
from .host import Completed, Response

# What `timeout` (coreutils) exits with when it stopped the program, and when it had to kill it.
_TIMED_OUT = (124, 137)


class ModuleHost:
    """A Host made of an AnsibleModule: its ``run_command``, ``warn``, ``tmpdir``, and its URL options.

    Of ``module.params`` it uses those of ``http_argument_spec()``, where the module has them.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self.tmpdir: str = module.tmpdir

    def which(self, program: str) -> str | None:
        path: str | None = self._module.get_bin_path(program, opt_dirs=["/usr/local/sbin", "/usr/sbin", "/sbin"])
        return path

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
        # `setpriv --pdeathsig` lets no program outlive a module that was killed.
        command = ["setpriv", "--pdeathsig", "TERM"] if self.which("setpriv") else []
        if timeout is not None:
            command += ["timeout", "--kill-after=10", str(math.ceil(timeout))]
        rc, stdout, stderr = self._module.run_command(
            command + list(argv),
            environ_update={"LC_ALL": "C.UTF-8", "LANGUAGE": "C", **(environ or {})},
            cwd=cwd,
            data=stdin,
            binary_data=True,
            errors="surrogateescape",
        )
        if timeout is not None and rc in _TIMED_OUT:
            raise CommandError(f"{argv[0]} was stopped after {math.ceil(timeout)} seconds", argv=list(argv), rc=rc)
        return Completed(tuple(argv), rc, stdout, stderr)

    def open_url(self, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        return open_response(url, headers or {}, self._module.params)

    def warn(self, message: str) -> None:
        self._module.warn(message)


_URL_OPTIONS = (
    "url_username",
    "url_password",
    "http_agent",
    "force_basic_auth",
    "client_cert",
    "client_key",
    "validate_certs",
    "ca_path",
    "use_proxy",
    "timeout",
)


def http_argument_spec() -> dict[str, t.Any]:
    """The options that :meth:`ModuleHost.open_url` reads, as Ansible's own URL modules name them."""
    return {
        "url_username": {"type": "str"},
        "url_password": {"type": "str", "no_log": True},
        "http_agent": {"type": "str", "default": "ansible-goldsmith-kvm"},
        "force_basic_auth": {"type": "bool", "default": False},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "use_proxy": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 30},
    }


_REUSES_CONTEXT = "context" in inspect.signature(Request.open).parameters
"""Whether this ansible-core lets a caller bring the TLS context; 2.16 does not."""


_TLS_OPTIONS = {
    "validate_certs": "validate_certs",
    "ca_path": "cafile",
    "client_cert": "client_cert",
    "client_key": "client_key",
}


@functools.cache
def _tls_context(**options: t.Any) -> ssl.SSLContext:
    """Ansible's own TLS context, made once: reading the host's certificates takes about 35 ms."""
    return t.cast(ssl.SSLContext, make_context(**options))


def open_response(url: str, headers: Mapping[str, str], options: Mapping[str, t.Any]) -> Response:
    """Open ``url`` with Ansible's own HTTP client. Raises HttpStatusError or UnreachableError."""
    try:
        given = {name: options[name] for name in _URL_OPTIONS if options.get(name) is not None}
        if _REUSES_CONTEXT:
            given["context"] = _tls_context(
                **{_TLS_OPTIONS[name]: given[name] for name in _TLS_OPTIONS if name in given}
            )
        request = Request(
            headers={"Accept-Encoding": "identity", **headers},
            decompress=False,
            # Else a redirect would take the credentials to another server.
            unredirected_headers=["Authorization"],
        )
        raw = request.open("GET", url, **given)
    except HTTPError as error:
        retry_after = error.headers.get("Retry-After", "") if error.headers else ""
        error.close()
        reason = str(error.reason or "").splitlines()
        raise HttpStatusError(
            url, error.code, reason[0] if reason else "", float(retry_after) if retry_after.isdigit() else None
        ) from error
    except (URLError, OSError, UrlsConnectionError, http.client.HTTPException) as error:
        raise UnreachableError(f"{url} cannot be reached: {getattr(error, 'reason', None) or error}") from error
    except ValueError as error:
        raise TransferError(f"{url} is not a URL: {error}") from error
    return t.cast("Response", _UrlResponse(url, raw))


class _UrlResponse:
    """urllib's response with errors in this collection's words."""

    def __init__(self, url: str, raw: t.Any) -> None:
        self._raw = raw
        self._asked = url
        self.status: int = raw.getcode() or 200
        self.headers: Mapping[str, str] = raw.headers

    def read(self, amount: int = -1) -> bytes:
        try:
            # read1 hands over what has come; read would wait for the whole amount.
            return t.cast(bytes, self._raw.read1(amount))
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"the connection to {self._asked} broke: {error}") from error

    def close(self) -> None:
        self._raw.close()
