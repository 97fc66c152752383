# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps on files, accounts and commands where something is not as it should be, in the test base image's userland."""

from __future__ import annotations

import io
import tarfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.integration.chroot import Chroot, StepFailedError

pytestmark = pytest.mark.slow

SECRET = "hunter2 'x'"


@pytest.fixture(name="chroot", scope="module")
def fixture_chroot(lower: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroot]:
    with Chroot.over(lower, tmp_path_factory.mktemp("steps") / "chroot") as chroot:
        yield chroot


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (
            "append_line",
            {"path": "/no/x", "line": ""},
            "the directory /no does not exist in the image\nmake it by a step",
        ),
        ("append_line", {"path": "/etc", "line": ""}, "/etc is a directory in the image, and has to be a file"),
        ("chmod", {"path": "/no", "mode": "0644"}, "/no does not exist in the image"),
        ("chown", {"path": "/etc", "owner": "nemo"}, "the user nemo does not exist in the image"),
        ("chown", {"path": "/etc", "group": "nemo"}, "the group nemo does not exist in the image"),
        ("copy", {"src": "/no", "dest": "/etc"}, "/no does not exist in the image"),
        ("copy", {"src": "/etc/fstab", "dest": "/no/x"}, "the directory /no does not exist in the image"),
        ("copy", {"src": "/etc/fstab", "dest": "/etc/hosts/"}, "the directory /etc/hosts/ does not exist in the image"),
        ("edit", {"path": "/no", "expression": "1"}, "/no does not exist in the image"),
        ("edit", {"path": "/etc/fstab", "expression": "die 'no root' if 1"}, "failed on line 1: no root"),
        ("line_in_file", {"path": "/no", "line": "x"}, "/no does not exist in the image\nSay create: true"),
        ("link", {"target": "x", "path": ["/etc"]}, "/etc is a directory in the image\ndelete it by a step delete"),
        ("link", {"target": "x", "path": ["/no/x"]}, "the directory /no does not exist in the image"),
        ("mkdir", {"path": "/etc/fstab"}, "/etc/fstab is in the image, and is no directory"),
        ("mkdir", {"path": "/srv/x", "owner": "nemo"}, "the user nemo does not exist in the image"),
        ("move", {"src": "/no", "dest": "/etc"}, "/no does not exist in the image"),
        ("password", {"user": "nemo", "disabled": True}, "the user nemo does not exist in the image"),
        ("run_command", {"command": "true", "chdir": "/no"}, "the directory /no does not exist in the image"),
        ("scrub", {"path": "/etc"}, "/etc is a directory in the image, and has to be a file"),
        ("scrub", {"path": "/etc/os-release"}, "/etc/os-release is a symbolic link in the image"),
        ("ssh_inject", {"user": "nemo"}, "give them by the option ssh_authorized_keys of the step cloud_config"),
        ("timezone", {"name": "Europe/Nowhere"}, "the image has no time zone Europe/Nowhere"),
        ("touch", {"path": "/no/x"}, "the directory /no does not exist in the image"),
        ("truncate", {"path": "/no"}, "/no does not exist in the image"),
        ("truncate_recursive", {"path": "/no"}, "the directory /no does not exist in the image"),
    ],
)
def test_what_a_step_says_when_it_fails(chroot: Chroot, kind: str, options: dict[str, t.Any], said: str) -> None:
    if kind == "ssh_inject":
        options = {**options, "key": f"ssh-ed25519 {'A' * 68} x"}
    with pytest.raises(StepFailedError) as caught:
        chroot.apply([{kind: options}])
    assert said in str(caught.value)


def test_an_image_without_perl(chroot: Chroot) -> None:
    perl = chroot.root / "usr/bin/perl"
    perl.rename(chroot.root / "usr/bin/perl.away")
    try:
        for step in (
            {"edit": {"path": "/etc/fstab", "expression": "1"}},
            {"line_in_file": {"path": "/etc/fstab", "line": ""}},
        ):
            with pytest.raises(StepFailedError, match="the image has no perl: install the package perl-base"):
                chroot.apply([step])
    finally:
        (chroot.root / "usr/bin/perl.away").rename(perl)


def test_an_archive_that_is_none(chroot: Chroot, tmp_path: Path) -> None:
    file = tmp_path / "archive"
    for content in (b"no archive at all", b"\x1f\x8b\x08 cut"):
        file.write_bytes(content)
        with pytest.raises(
            StepFailedError, match=r"tar: .*(This does not look like a tar archive|Child returned status 1)"
        ):
            chroot.apply([{"tar_in": {"src": str(file), "remote_src": True, "dest": "/srv"}}])


def test_an_archive_brings_its_owners_over_a_link_and_under_names_like_those_of_the_root(
    chroot: Chroot, tmp_path: Path
) -> None:
    """What tar(1) does by itself would leave an image that does not boot."""
    before = {path: (chroot.root / path).stat().st_mode for path in (".", "tmp", "usr/lib")}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:xz") as archive:
        for name in ("./", "./tmp", "./lib", "./lib/goldsmith-promise"):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid = tarfile.DIRTYPE, 0o700, 1000
            archive.addfile(member)
    (tmp_path / "archive").write_bytes(target.getvalue())
    chroot.apply([{"tar_in": {"src": str(tmp_path / "archive"), "remote_src": True, "dest": "/", "owner": "daemon"}}])
    assert {path: (chroot.root / path).stat().st_mode for path in before} == before
    assert (chroot.root / "lib").is_symlink()
    assert (chroot.root / "usr/lib/goldsmith-promise").stat().st_uid == 1
    assert (chroot.root / "tmp").stat().st_uid == 0


@pytest.mark.parametrize("option", ["password", "secrets"])
def test_no_process_shows_a_secret(chroot: Chroot, option: str) -> None:
    """Every program that is started tells its arguments."""
    steps: dict[str, list[dict[str, t.Any]]] = {
        "password": [{"password": {"user": "root", "password": SECRET, "method": "sha512"}}],
        "secrets": [{"run_command": {"argv": ["env"], "secrets": {"TOKEN": SECRET}, "network": False}}],
    }
    told = chroot.root / "srv/told"
    away = [name for name in ("usr/sbin/chpasswd", "usr/bin/env") if (chroot.root / name).exists()]
    for name in away:
        program = chroot.root / name
        program.rename(f"{program}.real")
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >>/srv/told\nexec /{name}.real "$@"\n')
        program.chmod(0o755)
    try:
        chroot.apply(steps[option])
    finally:
        for name in away:
            (chroot.root / f"{name}.real").rename(chroot.root / name)
    assert told.read_text()
    assert "hunter2" not in told.read_text()
    told.unlink()
    shadow = (chroot.root / "etc/shadow").read_text()
    assert "hunter2" not in shadow
