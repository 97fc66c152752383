# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksum files that image_convert signs, with the real gpg, verified by gpgv."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import typing as t
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.host import Completed
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.signing import (
    Signer,
    checksum_text,
    parse_fingerprint,
)
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .converting import Converting
from .fetching import Fetching
from .plays import run_tasks

PASSPHRASE = "correct horse battery staple"
VMDK = {"dest": "a.vmdk", "format": "vmdk"}
RAW = {"dest": "a.raw", "format": "raw"}


class Home:
    """A home of gpg with one key that has a passphrase and one that has none."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.locked = self._make("locked", PASSPHRASE)
        self.open = self._make("open", "")
        self.keyring = directory / "public.gpg"
        self.keyring.write_bytes(self._gpg("--export"))
        self.end_agent()

    def _make(self, name: str, passphrase: str) -> str:
        user = f"{name} <{name}@goldsmith.invalid>"
        self._gpg("--passphrase", passphrase, "--quick-generate-key", user, "ed25519", "sign", "never")
        listed = self._gpg("--with-colons", "--list-keys", f"={user}").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

    def _gpg(self, *arguments: str) -> bytes:
        argv = ["gpg", "--homedir", self.directory, "--batch", "--quiet", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(argv, check=True, capture_output=True).stdout

    def end_agent(self) -> None:
        subprocess.run(["gpgconf", "--homedir", self.directory, "--kill", "all"], check=True)

    def start_agent(self) -> None:
        subprocess.run(["gpg-connect-agent", "--homedir", self.directory, "/bye"], check=True, capture_output=True)

    @property
    def agent_runs(self) -> bool:
        argv = ["gpg-connect-agent", "--homedir", self.directory, "--no-autostart", "GETINFO pid", "/bye"]
        return b"OK" in subprocess.run(argv, capture_output=True, check=True).stdout

    def verify(self, checksum: Path) -> bool:
        argv = ["gpgv", "--keyring", self.keyring, f"{checksum}.asc", checksum]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@pytest.fixture(name="home", scope="module")
def fixture_home() -> Iterator[Home]:
    # An agent's socket has at most 107 bytes of path.
    directory = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))
    home = Home(directory)
    yield home
    home.end_agent()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(name="convert")
def fixture_convert(host: LocalHost, tmp_path: Path) -> Converting:
    return Converting(host, tmp_path, dummy_images.qcow2(tmp_path / "source.qcow2"))


def test_signed_and_verified(convert: Converting, home: Home) -> None:
    key = {"checksum": True, "signing_key": home.open, "gnupghome": str(home.directory)}
    for check_mode in (True, False):
        result = convert(VMDK, RAW, check_mode=check_mode, **key)
        assert [output["reasons"] for output in result["outputs"]] == [["missing", "checksum", "signature"]] * 2
    for output in result["outputs"]:
        assert output["signature_file"] == f"{output['checksum_file']}.asc"
        assert home.verify(Path(output["checksum_file"]))
        assert "-----BEGIN PGP SIGNATURE-----" in Path(output["signature_file"]).read_text()
    assert not home.agent_runs
    assert convert(VMDK, RAW, **key)["changed"] is False
    assert convert.leftovers == []


def test_what_is_signed_anew(convert: Converting, home: Home) -> None:
    def run(key: str, **options: str) -> list[str]:
        (output,) = convert(RAW, checksum=True, signing_key=key, gnupghome=str(home.directory), **options)["outputs"]
        assert home.verify(checksum)
        reasons: list[str] = output["reasons"]
        return reasons

    convert(RAW)
    checksum, signature = convert.path("a.raw.sha256"), convert.path("a.raw.sha256.asc")
    assert run(home.open) == ["checksum", "signature"]
    signature.write_text("nonsense")
    assert run(home.open) == ["signature"]
    signature.unlink()
    assert run(home.open) == ["signature"]
    assert run(home.locked, signing_passphrase=PASSPHRASE) == ["signature"]
    assert run(home.locked) == []
    checksum.write_text("")
    assert run(home.open) == ["checksum", "signature"]
    # A signature of what is no longer there does not stay.
    checksum.write_text("")
    assert convert(RAW, checksum=True)["outputs"][0]["reasons"] == ["checksum"]
    assert not signature.exists()


@pytest.mark.parametrize("checksum", [False, True])
def test_what_was_signed_before_does_not_stay_beside_another_file(
    convert: Converting, home: Home, tmp_path: Path, checksum: bool
) -> None:
    """Nor where no record speaks of it."""
    convert(RAW, checksum=True, signing_key=home.open, gnupghome=str(home.directory))
    convert.path("a.raw.conversion.json").unlink()
    convert.src = dummy_images.qcow2(tmp_path / "next.qcow2")
    assert "unrecorded" in convert(RAW, checksum=checksum)["outputs"][0]["reasons"]
    beside = ["a.raw.sha256"] if checksum else []
    assert convert.there == ["a.raw", "a.raw.conversion.json", *beside]


def test_an_agent_that_was_there_stays(convert: Converting, home: Home) -> None:
    home.start_agent()
    try:
        convert(RAW, checksum=True, signing_key=home.open, gnupghome=str(home.directory))
        assert home.agent_runs
    finally:
        home.end_agent()


def test_two_sign_at_once(convert: Converting, home: Home, tmp_path: Path) -> None:
    """Neither ends the agent of the other, nor leaves one because it was there."""

    class SlowHost(LocalHost):
        def run(self, argv: Sequence[str], **options: t.Any) -> Completed:
            done = super().run(argv, **options)
            if argv[0].endswith("/gpg"):
                time.sleep(0.3)
                assert home.agent_runs
            return done

    signer = Signer(SlowHost(str(tmp_path)), Layout(str(convert.store)), home.open, str(home.directory), None)
    signer.layout.ensure()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(signer.require_able)
        time.sleep(0.2)
        second = pool.submit(signer.sign, str(convert.src), str(tmp_path / "signature"))
        first.result()
        second.result()
    assert not home.agent_runs


@pytest.mark.parametrize("passphrase", [None, "wrong"])
def test_a_key_that_cannot_sign_is_told_before_the_work(
    convert: Converting, home: Home, passphrase: str | None
) -> None:
    options = {"checksum": True, "gnupghome": str(home.directory), "signing_passphrase": passphrase}
    with pytest.raises(BadRequestError, match=f"the key {home.locked} cannot sign: .*") as refused:
        convert(VMDK, signing_key=home.locked, **options)
    assert "wrong" not in str(refused.value)
    assert convert.there == []
    with pytest.raises(BadRequestError, match=r"cannot sign: .*No secret key"):
        convert(VMDK, signing_key="0" * 40, **options)
    assert not home.agent_runs


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"signing_key": "ops@example.com", "checksum": True}, "not the fingerprint of a key"),
        ({"signing_key": "A" * 16, "checksum": True}, "not the fingerprint of a key"),
        ({"signing_key": "A" * 40}, "there is no checksum file to sign"),
        ({"signing_passphrase": "x"}, "signing_passphrase is given, and signing_key is not"),
        ({"gnupghome": "/x"}, "gnupghome is given, and signing_key is not"),
    ],
)
def test_what_makes_no_sense(convert: Converting, options: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        convert(RAW, **options)


def test_the_passphrase_is_told_to_nobody(convert: Converting, home: Home) -> None:
    """Neither in the result, nor beside the file, nor in an argument list, which gpg's own would be."""
    wrapper = convert.directory.parent / "bin"
    wrapper.mkdir()
    seen = wrapper / "seen"
    real = shutil.which("gpg")
    (wrapper / "gpg").write_text(
        f'#!/bin/sh\ntr "\\0" " " <"/proc/$$/cmdline" >>{seen}\nenv >>{seen}\nexec {real} "$@"\n'
    )
    (wrapper / "gpg").chmod(0o755)
    task = {
        "goldsmith.kvm.image_convert": {
            "src": str(convert.src),
            "store": str(convert.store),
            "outputs": [{"dest": str(convert.path("a.raw")), "format": "raw"}],
            "checksum": True,
            "signing_key": home.locked,
            "signing_passphrase": PASSPHRASE,
            "gnupghome": str(home.directory),
        }
    }
    environ = {"PATH": f"{wrapper}:{os.environ['PATH']}"}
    results = run_tasks([task, task], "-vvv", "--diff", environ=environ)
    assert [result["changed"] for result in results] == [True, False]
    assert home.verify(convert.path("a.raw.sha256"))
    assert home.locked in seen.read_text()
    for text in (json.dumps(results), seen.read_text(), convert.path("a.raw.conversion.json").read_text()):
        assert PASSPHRASE not in text


def test_image_fetch_believes_what_was_signed(convert: Converting, home: Home, host: LocalHost, tmp_path: Path) -> None:
    """What one host exports another can fetch: by the checksum file and its signature."""
    convert({"dest": "a.qcow2", "format": "qcow2"}, checksum=True, signing_key=home.open, gnupghome=str(home.directory))
    fetch = Fetching(
        host,
        tmp_path / "other",
        publisher="directory",
        release=None,
        mirrors=[convert.directory.as_uri()],
        file_name="a.qcow2",
        checksum_file="a.qcow2.sha256",
        signature_file="a.qcow2.sha256.asc",
        keyring=str(home.keyring),
    )
    fetched = fetch()
    assert fetched["image"]["proof"]["fingerprint"] == home.open


@pytest.mark.parametrize(
    ("text", "fingerprint"),
    [
        ("0x" + "ab" * 20, "AB" * 20),
        ("ABCD " * 10, "ABCD" * 10),
        ("ab" * 32, "AB" * 32),
    ],
)
def test_fingerprints(text: str, fingerprint: str) -> None:
    assert parse_fingerprint(text, "signing_key") == fingerprint


@pytest.mark.parametrize("name", ["a.raw", "two words", "back\\slash", "line\nbreak", "ä"])
def test_sha256sum_reads_what_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"content")
    said = subprocess.run(["sha256sum", "--", name], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert checksum_text(str(path), "sha256:" + said.lstrip("\\")[:64]) == said
