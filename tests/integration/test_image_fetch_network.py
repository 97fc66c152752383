# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_fetch behind a proxy, with an authority of one's own, from several mirrors, and from one that moves on."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from ansible_collections.goldsmith.kvm.tests.fixtures.authority import make_authority
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import Mirror, plain_directory
from ansible_collections.goldsmith.kvm.tests.fixtures.proxy import proxy
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server, serve

from .fetching import IMAGES, OLDER, Fetching, sha256
from .plays import run_tasks


def test_a_play_with_an_own_authority_behind_a_proxy(mirror: Mirror, keys: Keys, tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    with serve(mirror.root, tls=authority.server) as server, proxy() as proxied:
        options = {
            "release": "noble",
            "arch": "amd64",
            "mirrors": [server.url],
            "keyring": str(keys.armored),
            "store": str(tmp_path / "store"),
            "ca_path": str(authority.certificate),
        }
        module = "goldsmith.kvm.image_fetch"
        environ = {"https_proxy": proxied.url, "no_proxy": "", "NO_PROXY": ""}
        unknown, direct = run_tasks(
            [{module: {**options, "ca_path": "/etc/ssl/certs/ca-certificates.crt"}}, {module: options}],
            ignore_errors=True,
            environ={"https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"},
        )
        assert unknown["failed"]
        assert "certificate verify failed" in unknown["msg"]
        assert direct["changed"]
        assert proxied.log == []

        serial = {**options, "serial": OLDER, "file_type": "manifest"}
        check, through, around = run_tasks(
            [
                {module: serial, "check_mode": True},
                {module: serial},
                {module: {**serial, "use_proxy": False}},
            ],
            environ=environ,
        )

    assert [result["changed"] for result in (check, through, around)] == [True, True, False]
    assert set(proxied.log) == {f"CONNECT {server.url.partition('://')[2]}"}


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user needs root")
def test_owner_and_group_in_a_play(server: Server, keys: Keys, tmp_path: Path) -> None:
    module = "goldsmith.kvm.image_fetch"
    options = {"release": "noble", "arch": "amd64", "mirrors": [server.url], "keyring": str(keys.armored)}
    given = {**options, "store": str(tmp_path / "store"), "owner": "nobody", "group": "adm"}
    first, again, check, other = run_tasks(
        [
            {module: given},
            {module: given},
            {module: {**given, "owner": "root"}, "check_mode": True},
            {module: {**given, "owner": "root"}},
        ],
        "--diff",
    )
    path = Path(first["image"]["path"])

    assert [result["changed"] for result in (first, again, check, other)] == [True, False, True, True]
    assert check["diff"] == other["diff"]
    assert (path.owner(), path.group(), path.stat().st_mode & 0o7777) == ("root", "adm", 0o444)


def test_credentials_in_a_url_stand_nowhere(fetch: Fetching, server: Server) -> None:
    with pytest.raises(BadRequestError, match="url_username") as refused:
        fetch(mirrors=[server.url.replace("://", "://ops:s3cret@")])

    assert "s3cret" not in str(refused.value)
    assert server.log == []
    assert not fetch.store.exists()


def test_the_next_mirror_delivers_where_one_has_wrong_bytes(
    fetch: Fetching, server: Server, mirror: Mirror, tmp_path: Path
) -> None:
    path = mirror.item().url_path
    wrong = tmp_path / "wrong" / path
    shutil.copytree(mirror.root, tmp_path / "wrong", ignore=shutil.ignore_patterns(wrong.name))
    wrong.write_bytes(random.Random(0).randbytes(mirror.item().size))
    with serve(tmp_path / "wrong") as broken:
        result = fetch(mirrors=[broken.url, server.url])

        assert broken.requests(IMAGES)
    assert result["image"]["url"] == f"{server.url}/{path}"
    assert sha256(result["image"]["path"]) == f"sha256:{mirror.item().sha256}"
    assert fetch.leftovers == []


def test_a_directory_that_moved_on_is_noticed(fetch: Fetching, keys: Keys, tmp_path: Path) -> None:
    root = tmp_path / "current"
    root.mkdir()
    disk = dummy_images.qcow2(root / "disk.qcow2")
    plain_directory(root, [disk], keys)
    with serve(root) as server:
        options = {"publisher": "directory", "mirrors": [f"{server.url}/"], "file_name": disk.name}
        before = fetch(**options)
        dummy_images.qcow2(disk, seed="the next build")
        plain_directory(root, [disk], keys)
        predicted, after, again = fetch(**options, check_mode=True), fetch(**options), fetch(**options)

    assert [result["changed"] for result in (before, predicted, after, again)] == [True, True, True, False]
    assert predicted["image"]["digest"] == after["image"]["digest"] == sha256(disk) != before["image"]["digest"]
    assert len(fetch.images) == 2
