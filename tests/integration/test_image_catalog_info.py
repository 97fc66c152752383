# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image_catalog_info as ansible runs it, against a signed mirror on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import Mirror, small_mirror
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server, serve

ANSIBLE = Path(sys.executable).parent / "ansible"
COLLECTIONS = Path(__file__).parents[2] / ".run" / "collections"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.ensure(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Mirror:
    return small_mirror(tmp_path_factory.mktemp("mirror") / "root", keys, image_size=4096)


@pytest.fixture
def server(mirror: Mirror) -> Iterator[Server]:
    with serve(mirror.root) as running:
        yield running


def listed(*options: str, path: str = "", **arguments: object) -> dict[str, t.Any]:
    """What the module returns; ``path`` replaces the module's PATH."""
    environ = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    }
    if path:
        environ["PATH"] = path
    done = subprocess.run(
        [
            *(ANSIBLE, "localhost", "--one-line", "-e", f"ansible_python_interpreter={sys.executable}", *options),
            *("-m", "goldsmith.kvm.image_catalog_info", "-a", json.dumps(arguments)),
        ],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("localhost | ")), None)
    if line is None:
        pytest.fail(f"ansible said nothing of localhost: {done.stdout}{done.stderr}")
    return t.cast("dict[str, t.Any]", json.loads(line.partition(" => ")[2]))


def test_what_is_offered(server: Server, mirror: Mirror, keys: Keys) -> None:
    trusted = {"mirrors": [server.url], "keyring": str(keys.armored)}
    result = listed(**trusted, release="noble", arch="amd64", serial="all")
    published = [mirror.item(serial=serial) for serial in reversed(mirror.serials)]
    assert result["changed"] is False
    assert [(image["serial"], image["url"], image["digest"], image["size"]) for image in result["images"]] == [
        (item.serial, f"{server.url}/{item.url_path}", f"sha256:{item.sha256}", item.size) for item in published
    ]
    assert result["images"][0]["support_eol"] == "2029-05-31"
    assert result["images"][0]["proof"]["method"] == "signature"
    assert result["images"][0]["proof"]["fingerprint"] == keys.streams.fingerprint
    assert not server.requests("*.img")

    refused = listed(**trusted, release="noble", arch="amd64", file_type="disk-kvm.img")
    assert refused["msg"].endswith("It has disk1.img, manifest, vhd.tar.gz.")


def test_ubuntus_own_keys_are_shipped_and_do_not_sign_this_mirror(server: Server) -> None:
    refused = listed(mirrors=[server.url])
    assert "is unknown (Ubuntu's keys; trusted are 4A3CE3CD565D7EB5C810E2B97FF3F408476CF100)" in refused["msg"]


def test_a_host_without_gpgv(server: Server, keys: Keys, tmp_path: Path) -> None:
    for program in Path("/usr/bin").iterdir():
        if program.name != "gpgv":
            (tmp_path / program.name).symlink_to(program)
    arguments = {"mirrors": [server.url], "keyring": str(keys.armored), "arch": "amd64"}
    predicted = listed("--check", path=str(tmp_path), **arguments)
    assert predicted["images"][0]["proof"]["method"] == "none"
    refused = listed(path=str(tmp_path), **arguments)
    assert refused["msg"] == "the program gpgv is not installed on this host. Install the package gpgv."
