# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems made by mke2fs from directories, read back and compared with what the kernel says of the directories."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, VerificationError
from ansible_collections.goldsmith.kvm.plugins.module_utils.guest.ext import Ext
from ansible_collections.goldsmith.kvm.plugins.module_utils.guest.tree import Entry, Tree
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

pytestmark = pytest.mark.skipif(shutil.which("mke2fs") is None, reason="mke2fs is not installed")

OFFSET = 1024 * 1024
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
# What debugfs prints around names, and what separates them for a shell or a terminal.
_PIECES = st.sampled_from(
    [
        b"debugfs: ",
        b"ls -l -p <2>",
        b"\n",
        b"\r\n",
        b" ",
        b'"',
        b"'",
        b"\\",
        b"<2>",
        b"\xff\xfe",
        b"\xc3\xa9",
        b"-",
        b"a",
    ]
)
NAMES = st.one_of(
    st.lists(_PIECES, min_size=1, max_size=12).map(b"".join),
    st.binary(min_size=1, max_size=200).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"_")),
).filter(lambda name: name not in (b".", b"..") and len(name) < 200)


def made(directory: Path, *options: str) -> Path:
    """A raw disk whose file system, of the directory's content, begins at OFFSET."""
    disk = directory.with_name(f"{directory.name}.raw")
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", *options, "-E", f"offset={OFFSET}", "-d", str(directory), str(disk)]
    subprocess.run([*argv, "16M"], check=True, capture_output=True)
    return disk


def tree_of(disk: Path, *hidden: str) -> Tree:
    return Tree({"/": Ext(LocalHost(str(disk.parent)), str(disk), OFFSET, f"partition 1 of {disk}")}, hidden)


def expected(directory: Path) -> dict[str, Entry]:
    """What the kernel says of the directory's content, ``lost+found`` and inode numbers left out."""
    found = {}
    for root, directories, files in os.walk(os.fsencode(directory)):
        for name in [*directories, *files]:
            path = os.path.join(root, name)
            seen = os.lstat(path)
            kind = _KINDS[stat.S_IFMT(seen.st_mode)]
            inside = os.fsdecode(path[len(os.fsencode(directory)) :])
            found[inside] = Entry(
                inside,
                kind,
                stat.S_IMODE(seen.st_mode),
                seen.st_uid,
                seen.st_gid,
                seen.st_size if kind in ("file", "link") else 0,
                int(seen.st_mtime_ns // 10**9),
                0,
                os.fsdecode(os.readlink(path)) if kind == "link" else None,
            )
    return found


def walked(tree: Tree) -> dict[str, Entry]:
    entries = [entry for entry in tree.walk() if entry.path not in ("/", "/lost+found")]
    return {
        entry.path: Entry(**{**vars(entry), "inode": 0, "size": entry.size if entry.type in ("file", "link") else 0})
        for entry in entries
    }


def test_every_type_of_file(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "etc").mkdir(parents=True)
    (top / "etc" / "motd").write_bytes(b"Hi\r\n\0\xff")
    (top / "etc" / "motd").chmod(0o4751)
    os.link(top / "etc" / "motd", top / "etc" / "same")
    (top / "sticky").mkdir()
    (top / "sticky").chmod(0o1777)
    (top / "short").symlink_to("etc/motd")
    (top / "long").symlink_to("etc/../" * 40 + "etc/motd")
    (top / "target\nof lines").symlink_to('Fast link dest: "\ndebugfs: stat <2>\n"')
    os.mkfifo(top / "fifo", 0o620)
    os.utime(top / "etc", (1, -86400))
    os.utime(top / "sticky", (1, 2**31 - 5))
    if os.geteuid() == 0:
        os.mknod(top / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(top / "disk", 0o660 | stat.S_IFBLK, os.makedev(8, 0))
        os.chown(top / "fifo", 4_000_000_000, 100_000)
    tree = tree_of(made(top))
    assert walked(tree) == expected(top)
    assert tree.read("/etc/motd") == b"Hi\r\n\0\xff"
    first, second = tree.entry("/etc/motd"), tree.entry("/etc/same")
    assert first and second and first.inode == second.inode
    assert [entry.path for entry in tree.list("/etc")] == ["/etc/motd", "/etc/same"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=25, unique=True), target=NAMES)
def test_names_that_look_like_what_debugfs_prints(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes], target: bytes
) -> None:
    top = tmp_path_factory.mktemp("names") / "top"
    top.mkdir()
    for index, name in enumerate(names):
        path = os.path.join(os.fsencode(top), name)
        if index % 3 == 0:
            os.mkdir(path)
            os.symlink(target, os.path.join(path, b"link"))
        else:
            with open(path, "wb") as file:
                file.write(name * index)
    tree = tree_of(made(top))
    assert walked(tree) == expected(top)
    contents = {f"/{os.fsdecode(name)}": name * index for index, name in enumerate(names) if index % 3}
    assert tree.read_many(contents) == contents


def test_links_are_followed_inside_the_guest(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "usr" / "lib").mkdir(parents=True)
    (top / "usr" / "lib" / "os-release").write_text("ID=debian\n")
    (top / "lib").symlink_to("usr/lib")
    (top / "etc").mkdir()
    (top / "etc" / "os-release").symlink_to("../../../usr/lib/os-release")
    (top / "etc" / "absolute").symlink_to("/lib/os-release")
    (top / "etc" / "dangling").symlink_to("nowhere")
    (top / "etc" / "loop").symlink_to("loop")
    (top / "etc" / "up").symlink_to("..")
    tree = tree_of(made(top))
    for path in ("/etc/os-release", "/etc/absolute", "/lib/os-release", "/etc/up/etc/up/lib//./os-release"):
        assert tree.resolve(path) == "/usr/lib/os-release"
        assert tree.text(path) == "ID=debian\n"
    for path in ("/etc/dangling", "/etc/loop", "/missing/file", "/etc/os-release/x", "/etc/loop/x"):
        assert (tree.resolve(path), tree.read(path)) == (None, None)
    assert tree.read("/usr") is None
    assert tree.list("/etc/dangling") == []
    assert list(tree.walk("/nowhere")) == []
    assert [entry.path for entry in tree.walk("/lib")] == ["/usr/lib", "/usr/lib/os-release"]
    entry = tree.entry("/etc/up/lib")
    assert entry and (entry.path, entry.type, entry.target) == ("/lib", "link", "usr/lib")
    assert tree.entry("/etc/loop/x") is None


def test_what_is_hidden_is_told_when_it_is_missed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for name in ("home/ops", "var/lib", "etc"):
        (top / name).mkdir(parents=True)
    (top / "var/spool").symlink_to("/home/ops")
    tree = tree_of(made(top), "/home", "/var/lib", "/srv")
    assert tree.entry("/etc") and tree.entry("/var") and tree.entry("/srv") is None
    assert not tree.missed
    assert tree.read("/var/spool/mail") is None
    assert tree.missed == {"/home"}
    assert {entry.path for entry in tree.walk()} >= {"/home/ops", "/var/lib"}
    assert tree.missed == {"/home", "/var/lib"}


def test_more_names_than_one_process_is_asked_for(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    for number in range(2500):
        (top / f"{number:04}").symlink_to(f"to {number}")
    tree = tree_of(made(top, "-N", "4096"))
    assert walked(tree) == expected(top)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    with (top / "huge").open("wb") as file:
        file.truncate(1 << 40)
    tree = tree_of(made(top))
    with pytest.raises(BadRequestError, match="/huge in the image has 1 TiB, more than the 64 MiB that are read"):
        tree.read("/huge")
    (top / "huge").unlink()
    (top / "holes").write_bytes(b"\0" * 300_000 + b"end")
    tree = tree_of(made(top))
    assert tree.read("/holes") == b"\0" * 300_000 + b"end"
    with pytest.raises(BadRequestError, match="more than the 10 B"):
        tree.read("/holes", limit=10)


@pytest.mark.parametrize(
    "options",
    [("-O", "inline_data"), ("-I", "128", "-O", "^metadata_csum"), ("-O", "^has_journal,^extent,^64bit,^huge_file")],
)
def test_older_and_newer_features(tmp_path: Path, options: tuple[str, ...]) -> None:
    top = tmp_path / "top"
    (top / "d").mkdir(parents=True)
    (top / "d" / "file").write_text("short")
    (top / "d" / "link").symlink_to("x" * 70)
    tree = tree_of(made(top, *options))
    assert walked(tree) == expected(top)
    assert tree.text("/d/file") == "short"


def test_a_damaged_file_system(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "file").write_text("x")
    disk = made(top, "-b", "1024")
    whole = disk.read_bytes()
    for begin, size in ((0, 4096), (20480, 2 << 20), (134 * 1024, 4096), (1158 * 1024, 1024)):
        damaged = bytearray(whole)
        damaged[OFFSET + begin : OFFSET + begin + size] = b"\xa5" * size
        disk.write_bytes(damaged)
        with pytest.raises(
            VerificationError, match=f"the file system on partition 1 of {disk} is damaged: ."
        ) as caught:
            list(tree_of(disk).walk())
        assert "e2fsck -fn" in caught.value.way_out
