# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx on loopback, with a server that limits each connection and one that does not."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  types {{ }}
  default_type application/octet-stream;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{fast}; root {root}; }}
  server {{ listen 127.0.0.1:{limited}; root {root}; limit_rate {limit}; }}
}}
"""


@contextlib.contextmanager
def nginx(root: Path, directory: Path, limit: str) -> Iterator[tuple[str, str]]:
    """Serve ``root``; yields the URL without a limit and the URL with ``limit`` (bytes a second) per connection."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        raise SystemExit("nginx is not installed: run ./run bench, which installs it")
    directory.mkdir(parents=True, exist_ok=True)
    fast, limited = _free_port(), _free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(directory=directory, root=root, fast=fast, limited=limited, limit=limit)
    )
    process = subprocess.Popen([program, "-e", str(directory / "error.log"), "-c", str(configuration)])
    try:
        _wait_for(fast)
        yield f"http://127.0.0.1:{fast}/", f"http://127.0.0.1:{limited}/"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    for dummy in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nginx does not listen on port {port}")
