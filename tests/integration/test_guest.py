# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images read without mounting them, compared with the same images mounted."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.guest.guest import Guest, opened
from ansible_collections.goldsmith.kvm.plugins.module_utils.guest.tree import Entry
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image, disk_layout
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def server_image() -> Path:
    """The image whose userland the fixture ``lower`` mounts."""
    return [image for image in base_image.ensure() if image.lineage == "server"][-1].path


def entry_of(path: str, name: str) -> Entry:
    """What the kernel says."""
    seen = os.lstat(path)
    kind = _KINDS[stat.S_IFMT(seen.st_mode)]
    target = os.readlink(path) if kind == "link" else None
    mode = stat.S_IMODE(seen.st_mode)
    return Entry(name, kind, mode, seen.st_uid, seen.st_gid, seen.st_size, int(seen.st_mtime), seen.st_ino, target)


def mounted_entries(lower: dict[str, Path]) -> dict[str, Entry]:
    """By path, everything below the mounted root and the mounted /boot."""
    found = {}
    for point, top in lower.items():
        for root, directories, files in os.walk(top):
            for name in [".", *directories, *files] if root == str(top) else [*directories, *files]:
                path = os.path.join(root, name)
                inside = os.path.normpath(os.path.join(point, os.path.relpath(path, top)))
                found[inside] = entry_of(path, inside)
    return found


def describe(guest: Guest) -> list[tuple[int | None, int, int, str, str | None]]:
    return [
        (part.number, part.start, part.size, part.kind, part.file_system.label if part.file_system else None)
        for part in guest.partitions
    ]


def test_every_file_is_what_the_kernel_sees(lower: dict[str, Path], host: LocalHost, tmp_path: Path) -> None:
    expected = mounted_entries(lower)
    with opened(host, str(server_image()), "qcow2", str(tmp_path)) as guest:
        walked = {entry.path: entry for entry in guest.tree.walk()}
        assert len(walked) > 10_000
        assert walked == expected
        assert (guest.hidden, guest.tree.missed) == ({}, set())
        for path in ("/var/lib/dpkg/status", "/etc/shadow", "/boot/grub/grub.cfg", "/usr/bin/python3"):
            point = "/boot" if path.startswith("/boot/") else "/"
            real = os.path.join(lower[point], os.path.relpath(guest.tree.resolve(path) or "", point))
            assert guest.tree.read(path) == Path(real).read_bytes()
        raw_path = guest.raw_path
    assert not os.path.exists(raw_path)
    assert os.listdir(tmp_path) == ["tmp"]


def test_partitions_of_the_base_image(host: LocalHost, tmp_path: Path) -> None:
    parts = disk_layout.layout()
    kinds = {parts.bios: "bios-boot", parts.esp: "efi", parts.boot: "boot", parts.root: "linux"}
    with opened(host, str(server_image()), "qcow2", str(tmp_path)) as guest:
        assert guest.table.label == "gpt"
        assert describe(guest) == [
            (part.number, part.offset, part.size, kinds[part], part.label or None) for part in parts.partitions
        ]
        for part in guest.partitions:
            usage = part.file_system.usage if part.file_system else None
            if usage is not None:
                assert usage.used + usage.free == usage.size
                assert 0.95 * part.size < usage.size <= part.size
        for part in guest.mounts["/"], guest.mounts["/boot"]:
            assert part.file_system and part.file_system.usage
            free, block_size = told_by_dumpe2fs(f"{guest.raw_path}?offset={part.start}", "Free blocks", "Block size")
            assert part.file_system.usage.free == free * block_size > 0


def told_by_dumpe2fs(device: str, *fields: str) -> list[int]:
    said = subprocess.run(["dumpe2fs", "-h", device], capture_output=True, text=True, check=True).stdout
    told = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    return [int(told[field]) for field in fields]


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("raw", []),
        ("qcow2", ["-o", "compat=0.10"]),
        ("vmdk", ["-o", "subformat=streamOptimized"]),
        ("vmdk", ["-o", "subformat=monolithicSparse"]),
        ("vhdx", ["-o", "subformat=dynamic"]),
        ("vpc", ["-o", "subformat=fixed,force_size=on"]),
    ],
)
def test_every_format(tmp_path: Path, host: LocalHost, image_format: str, options: list[str]) -> None:
    raw = small_system(tmp_path)
    image = tmp_path / "image"
    argv = ["qemu-img", "convert", "-f", "raw", "-O", image_format, *options, str(raw), str(image)]
    subprocess.run(argv, check=True)
    before = image.read_bytes()
    with opened(host, str(image), image_format, str(tmp_path)) as guest:
        assert guest.tree.text("/etc/hostname") == "small\n"
        assert [entry.path for entry in guest.tree.list("/boot")] == ["/boot/lost+found", "/boot/vmlinuz-1"]
    assert image.read_bytes() == before


def test_an_overlay_shows_what_lies_below_it(tmp_path: Path, host: LocalHost) -> None:
    raw = small_system(tmp_path)
    overlay = tmp_path / "overlay.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(raw), str(overlay), "64M"]
    subprocess.run(argv, check=True)
    with opened(host, str(overlay), "qcow2", str(tmp_path)) as guest:
        assert guest.tree.text("/etc/hostname") == "small\n"
        assert os.stat(guest.raw_path).st_size == 64 * 1024**2
    raw.rename(tmp_path / "elsewhere")
    with pytest.raises(Exception, match=r"qemu-img cannot read .*overlay.qcow2: .*No such file") as caught:
        enter(host, overlay, "qcow2", tmp_path)
    assert f"qemu-img info --backing-chain {overlay}" in str(caught.value)


def test_an_image_that_is_written_to(tmp_path: Path, host: LocalHost) -> None:
    image = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
    with in_use(image), pytest.raises(BadRequestError, match="is in use: a guest may be writing to it"):
        enter(host, image, "qcow2", tmp_path)


@contextlib.contextmanager
def in_use(image: Path) -> Iterator[None]:
    """Something holds this qcow2 as a guest would."""
    argv = ["qemu-io", "-f", "qcow2", str(image)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin and writer.stdout
        writer.stdin.write("write 0 512\n")
        writer.stdin.flush()
        writer.stdout.readline()
        yield
        writer.stdin.close()


def test_no_room_for_a_raw_copy(tmp_path: Path, host: LocalHost) -> None:
    with small_tmpfs(tmp_path / "small", "16M") as small, pytest.raises(StoreError, match=r"needs .* MiB") as caught:
        enter(host, server_image(), "qcow2", small)
    assert "Free some space" in str(caught.value)
    with pytest.raises(StoreError, match=r"missing cannot be written to: No such file or directory\. Make it"):
        enter(host, server_image(), "qcow2", tmp_path / "missing")


def test_what_holds_no_system_that_can_be_read(tmp_path: Path, host: LocalHost) -> None:
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(32 * 1024**2)
    with opened(host, str(disk), "raw", str(tmp_path)) as guest:
        assert guest.table.label is None
        with pytest.raises(BadRequestError, match="holds no Linux system that can be read: there is no file system at"):
            guest.tree.entry("/")
    for program, words in (
        (["mkfs.vfat", str(disk)], "there is only vfat"),
        (["mke2fs", "-q", "-F", "-t", "ext4", str(disk)], "there is only ext4"),
    ):
        subprocess.run(program, check=True, capture_output=True)
        with opened(host, str(disk), "raw", str(tmp_path)) as guest, pytest.raises(BadRequestError, match=words):
            guest.tree.entry("/")


def test_a_disk_without_partitions(tmp_path: Path, host: LocalHost) -> None:
    top = tmp_path / "top"
    (top / "etc").mkdir(parents=True)
    (top / "etc" / "os-release").write_text("ID=bare\n")
    disk = tmp_path / "disk.raw"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "bare", "-d", str(top), str(disk), "16M"]
    subprocess.run(argv, check=True, capture_output=True)
    with opened(host, str(disk), "raw", str(tmp_path)) as guest:
        assert describe(guest) == [(None, 0, 16 * 1024**2, "", "bare")]
        assert guest.tree.text("/etc/os-release") == "ID=bare\n"


def enter(host: LocalHost, image: Path, image_format: str, workdir: Path) -> None:
    """Open an image whose opening fails."""
    with opened(host, str(image), image_format, str(workdir)):
        pass


@pytest.mark.parametrize(
    ("source", "content", "why"),
    [
        ("/dev/vda1", "vfat", "partition 1 is vfat, which is not read"),
        ("/dev/vda1", "luks", "partition 1 is encrypted by LUKS"),
        ("/dev/mapper/boot", "luks", "partition 1 is encrypted by LUKS"),
        ("UUID=5eb9e3a6", "luks", "partition 1 is encrypted by LUKS"),
        ("/dev/vda1", "zeros", "partition 1 holds no file system that is known"),
        # What is on another disk is no part of the image.
        ("/dev/mapper/boot", "vfat", ""),
        ("UUID=5eb9e3a6", "ext4", ""),
        ("/dev/sdb1", "luks", ""),
    ],
)
def test_files_that_are_not_read(source: str, content: str, why: str, tmp_path: Path, host: LocalHost) -> None:
    disk = small_system(tmp_path, boot=source)
    fill_boot(disk, content)
    with opened(host, str(disk), "raw", str(tmp_path)) as guest:
        assert guest.hidden == ({"/boot": why} if why else {})
        assert guest.tree.text("/etc/hostname") == "small\n"
        guest.require_nothing_missed()
        assert guest.tree.read("/boot/vmlinuz-1") is None
        if why:
            with pytest.raises(BadRequestError) as caught:
                guest.require_nothing_missed()
            assert f"some of the files in {disk} cannot be read: /boot ({why})" in str(caught.value)
        else:
            guest.require_nothing_missed()
            assert list(guest.mounts) == ["/"]


def test_a_second_disk_is_not_taken_for_the_first(tmp_path: Path, host: LocalHost) -> None:
    disk = small_system(tmp_path, boot="/dev/sdb2")
    with opened(host, str(disk), "raw", str(tmp_path)) as guest:
        assert {point: part.number for point, part in guest.mounts.items()} == {"/": 2}
        paths = [entry.path for entry in guest.tree.walk()]
    assert "/boot" in paths and not any(path.startswith("/boot/") for path in paths)


def fill_boot(disk: Path, content: str) -> None:
    """Put something else than ext4 into the first partition of a small system."""
    made = disk.with_name("made")
    with made.open("wb") as file:
        file.write(luks_header() if content == "luks" else b"")
        file.truncate(32768 * 512)
    if content == "vfat":
        subprocess.run(["mkfs.vfat", str(made)], check=True, capture_output=True)
    if content != "ext4":
        with disk.open("r+b") as file:
            file.seek(2048 * 512)
            file.write(made.read_bytes())


def luks_header() -> bytes:
    """As much of a LUKS1 header as tells blkid."""
    words = ((b"LUKS\xba\xbe\x00\x01aes", 40), (b"xts-plain64", 32), (b"sha256", 32))
    return b"".join(word.ljust(length, b"\0") for word, length in words).ljust(4096, b"\0")


def small_system(directory: Path, boot: str = "/dev/vda1", **packages: str) -> Path:
    """A raw disk of 48 MiB with a root and a /boot of a few files; ``boot`` is what its fstab calls the latter.

    ``packages``: versions of what dpkg's database has; without any there is none.
    """
    disk, root, kernels = directory / "small.raw", directory / "root", directory / "boot"
    (root / "etc").mkdir(parents=True)
    if packages:
        (root / "var/lib/dpkg").mkdir(parents=True)
        installed = "Status: install ok installed\nArchitecture: all\n"
        paragraphs = (f"Package: {name}\nVersion: {version}\n{installed}" for name, version in packages.items())
        (root / "var/lib/dpkg/status").write_text("\n".join(paragraphs))
    (root / "boot").mkdir()
    kernels.mkdir()
    (root / "etc" / "os-release").write_text("ID=small\n")
    (root / "etc" / "hostname").write_text("small\n")
    (root / "etc" / "fstab").write_text(f"# what is where\nLABEL=root / ext4 defaults 0 1\n{boot} /boot ext4\n")
    (kernels / "vmlinuz-1").write_text("kernel\n")
    with disk.open("wb") as file:
        file.truncate(48 * 1024**2)
    script = "label: dos\nstart=2048, size=32768, type=83, bootable\nstart=34816, size=61440, type=83\n"
    subprocess.run(["sfdisk", "--quiet", str(disk)], input=script, text=True, check=True)
    for source, offset, size in ((kernels, 2048 * 512, "16M"), (root, 34816 * 512, "30M")):
        argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", source.name, "-E", f"offset={offset}", "-d", str(source)]
        subprocess.run([*argv, str(disk), size], check=True, capture_output=True)
    return disk
