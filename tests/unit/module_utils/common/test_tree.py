# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.tree import archive_digest, write_archive

names = st.text("ab -:ä\n'\"$", min_size=1, max_size=5)
trees = st.recursive(
    st.binary(max_size=20_000), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


def make(path: Path, tree: object) -> None:
    if isinstance(tree, dict):
        path.mkdir()
        for name, inner in tree.items():
            make(path / name, inner)
    else:
        assert isinstance(tree, bytes)
        path.write_bytes(tree)


def found(path: Path) -> object:
    return {inner.name: found(inner) for inner in path.iterdir()} if path.is_dir() else path.read_bytes()


@settings(deadline=None)
@given(trees, st.sampled_from([0o022, 0o077]), st.sampled_from([0o022, 0o077]))
def test_an_archive_holds_what_was_there_whoever_made_it(tree: object, mask: int, other: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        digests = []
        for place, umask in (("one", mask), ("other", other)):
            (directory / place).mkdir()
            before = os.umask(umask)
            try:
                make(directory / place / "site", tree)
            finally:
                os.umask(before)
            os.utime(directory / place / "site", (umask, umask))
            digests.append(archive_digest(str(directory / place / "site")))
        with (directory / "tar").open("wb") as file:
            write_archive(str(directory / "one/site"), file)
        assert {*digests, f"sha256:{hashlib.sha256((directory / 'tar').read_bytes()).hexdigest()}"} == {digests[0]}
        with tarfile.open(directory / "tar") as archive:
            archive.extractall(directory / "unpacked")
        assert found(directory / "unpacked/site") == tree


def test_links_stay_links_and_programs_programs(tmp_path: Path) -> None:
    make(tmp_path / "site", {"program": b"#!/bin/sh\n", "text": b""})
    (tmp_path / "site/program").chmod(0o700)
    (tmp_path / "site/link").symlink_to("/etc/passwd")
    with (tmp_path / "tar").open("wb") as file:
        write_archive(str(tmp_path / "site"), file)
    with tarfile.open(tmp_path / "tar") as archive:
        assert {member.name: (member.mode, member.linkname) for member in archive} == {
            "site": (0o755, ""),
            "site/link": (0o644, "/etc/passwd"),
            "site/program": (0o755, ""),
            "site/text": (0o644, ""),
        }


def test_what_cannot_be_packed_is_named(tmp_path: Path) -> None:
    make(tmp_path / "site", {"file": b"12345"})
    with pytest.raises(BadRequestError, match=r"absent cannot be read: No such file or directory\. Look at its"):
        archive_digest(str(tmp_path / "absent"))
    shorter = tmp_path / "shorter"

    def gone(path: str) -> str:
        return str(shorter)

    with pytest.raises(BadRequestError, match=r"shorter cannot be read"), (tmp_path / "tar").open("wb") as file:
        write_archive(str(tmp_path / "site"), file, gone)
    os.mkfifo(tmp_path / "site/pipe")
    with pytest.raises(BadRequestError, match=r"site/pipe is neither a file, a directory nor a symbolic link"):
        archive_digest(str(tmp_path / "site"))
