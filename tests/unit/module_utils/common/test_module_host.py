# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How URLs are opened: Ansible's own client with its options, against real servers on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import UnreachableError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.module_host import open_response
from ansible_collections.goldsmith.kvm.tests.fixtures.authority import Authority, make_authority
from ansible_collections.goldsmith.kvm.tests.fixtures.proxy import Proxy, proxy
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Fault, Server, serve

CREDENTIALS = {"url_username": "ops", "url_password": "s3cret", "force_basic_auth": True}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "root"
    directory.mkdir()
    (directory / "file").write_text("content")
    return directory


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    with serve(root) as running:
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_server(root: Path, authority: Authority) -> Iterator[Server]:
    with serve(root, tls=authority.server) as running:
        yield running


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with proxy() as running:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, running.url)
        yield running


def read(url: str, **options: object) -> bytes:
    response = open_response(url, {}, {"timeout": 5, **options})
    try:
        return response.read()
    finally:
        response.close()


def test_the_environments_proxy_is_used_unless_it_must_not_be(server: Server, proxied: Proxy) -> None:
    url = f"{server.url}/file"
    assert read(url, use_proxy=False) == b"content"
    assert proxied.log == []
    assert read(url, use_proxy=True) == b"content"
    assert proxied.log == [f"GET {url}"]


def test_no_proxy_is_heeded(server: Server, proxied: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert read(f"{server.url}/file", use_proxy=True) == b"content"
    assert proxied.log == []


def test_https_goes_through_a_tunnel_of_the_proxy(tls_server: Server, authority: Authority, proxied: Proxy) -> None:
    assert read(f"{tls_server.url}/file", use_proxy=True, ca_path=str(authority.certificate)) == b"content"
    assert proxied.log == [f"CONNECT {tls_server.url.partition('://')[2]}"]


def test_a_self_made_authority_counts_when_it_is_named(tls_server: Server, authority: Authority) -> None:
    url = f"{tls_server.url}/file"
    with pytest.raises(UnreachableError, match="certificate verify failed") as refused:
        read(url, use_proxy=False)
    assert url in str(refused.value)
    assert read(url, use_proxy=False, ca_path=str(authority.certificate)) == b"content"
    assert read(url, use_proxy=False, validate_certs=False) == b"content"


def test_credentials_are_sent_as_asked(server: Server) -> None:
    assert read(f"{server.url}/file", use_proxy=False, **CREDENTIALS) == b"content"
    assert server.log[-1].authorization == "Basic b3BzOnMzY3JldA=="


def test_credentials_do_not_follow_a_redirect(server: Server, root: Path) -> None:
    with serve(root) as other:
        server.faults.add(Fault("/file", redirect=f"{other.url}/file"))
        assert read(f"{server.url}/file", use_proxy=False, **CREDENTIALS) == b"content"

    assert server.log[-1].authorization
    assert [request.authorization for request in other.log] == [""]


def test_a_silent_connection_names_what_was_asked_for_and_not_where_that_led(server: Server, root: Path) -> None:
    with serve(root) as other:
        other.faults.add(Fault("/file", stall=0))
        server.faults.add(Fault("/file", redirect=f"{other.url}/file?signature=s3cret"))
        with pytest.raises(UnreachableError) as refused:
            read(f"{server.url}/file", use_proxy=False, timeout=0.2)
    assert f"{server.url}/file" in str(refused.value)
    assert "s3cret" not in str(refused.value)
