# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a guest's files: the parsers, and trees made of real files where a reader needs one."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.guest import cloud_init, dpkg, fstab, system, units, users
from ansible_collections.goldsmith.kvm.plugins.module_utils.guest.partitions import FileSystem, Partition

from .test_tree import made, tree_of

STATUS = """\
Package: adduser
Status: install ok installed
Maintainer: Debian Adduser Developers <adduser@packages.debian.org>
Architecture: all
Version: 3.134
Conffiles:
 /etc/adduser.conf cc3493ecd2d09837ffdcc3e25fdfff18
Description: add and remove users and groups
 This package includes the 'adduser' and 'deluser' commands.
 .
 Version: 0 of nothing

Package: libssl3
Status: hold ok installed
Architecture: amd64
Source: openssl (3.0.17-1~deb12u2)
Version: 3.0.17-1~deb12u2+b1
Homepage: https://www.openssl.org/

Package: libc6
Status: install ok half-configured
Architecture: i386
Source: glibc
Version: 2.36-9

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22
"""


def test_packages_of_a_status_file() -> None:
    found = list(dpkg.parse_status(STATUS))
    assert [(p.name, p.version, p.architecture, p.source, p.source_version, p.status) for p in found] == [
        ("adduser", "3.134", "all", "adduser", "3.134", "installed"),
        ("libssl3", "3.0.17-1~deb12u2+b1", "amd64", "openssl", "3.0.17-1~deb12u2", "installed"),
        ("libc6", "2.36-9", "i386", "glibc", "2.36-9", "half-configured"),
        ("dpkg", "1.21.22", "amd64", "dpkg", "1.21.22", "installed"),
    ]
    assert found[0].maintainer == "Debian Adduser Developers <adduser@packages.debian.org>"
    assert found[1].homepage == "https://www.openssl.org/"
    assert dpkg.named(found) == {"adduser": "3.134", "libssl3": "3.0.17-1~deb12u2+b1", "dpkg": "1.21.22"}


def test_packages_of_another_architecture_are_named_with_it() -> None:
    text = STATUS.replace("half-configured", "installed")
    assert dpkg.named(list(dpkg.parse_status(text)))["libc6:i386"] == "2.36-9"


@given(st.text())
def test_no_status_file_is_too_odd(text: str) -> None:
    for package in dpkg.parse_status(text):
        assert package.name == package.name.strip()


def test_packages_of_an_image_made_without_dpkg(tmp_path: Path) -> None:
    top = tmp_path / "top"
    directory = top / "var/lib/dpkg/status.d"
    directory.mkdir(parents=True)
    (directory / "base").write_text("Package: base-files\nVersion: 12.4\nArchitecture: amd64\n")
    (directory / "base.md5sums").write_text("0123  usr/share/x\n")
    packages = dpkg.read_packages(tree_of(made(top))) or []
    assert [(package.name, package.version, package.status) for package in packages] == [
        ("base-files", "12.4", "installed")
    ]


def test_no_database_of_packages(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    assert dpkg.read_packages(tree_of(made(tmp_path / "top"))) is None


@pytest.mark.parametrize(
    ("field", "state"),
    [
        ("", "empty"),
        ("*", "none"),
        ("!", "locked"),
        ("!!", "locked"),
        ("!*", "locked"),
        ("!$6$salt$hash", "locked"),
        ("$6$salt$9Y5vJe/", "hash"),
        ("$y$j9T$abc$def", "hash"),
        ("ab8nWZ0zvLxGc", "hash"),
        ("x", "none"),
        ("*LK*", "none"),
        ("NP", "none"),
    ],
)
def test_states_of_passwords(field: str, state: str) -> None:
    assert users.password_state(field) == state


def test_authorized_keys(tmp_path: Path) -> None:
    lines, fingerprints = [], []
    for kind, size in (("ed25519", "256"), ("rsa", "2048"), ("ecdsa", "256")):
        key = tmp_path / kind
        argv = ["ssh-keygen", "-q", "-t", kind, "-b", size, "-N", "", "-C", f"{kind} of test", "-f", str(key)]
        try:
            subprocess.run(argv, check=True)
        except FileNotFoundError:
            pytest.skip("ssh-keygen is not installed")
        lines.append(key.with_suffix(".pub").read_text())
        said = subprocess.run(["ssh-keygen", "-l", "-f", str(key)], check=True, capture_output=True, text=True).stdout
        fingerprints.append(said.split()[1])
    text = "# ssh-ed25519 AAAA comment\n\n" + lines[0] + 'restrict,command="echo \\"ssh-rsa AAAA x\\"" ' + lines[1]
    text += "  " + lines[2] + "ssh-rsa AAAA!broken\nssh-ed25519\n"
    found = users.parse_authorized_keys(text, "/k")
    assert [key.fingerprint for key in found] == fingerprints
    assert [key.comment for key in found] == ["ed25519 of test", "rsa of test", "ecdsa of test"]


@given(st.text())
def test_no_line_of_keys_is_too_odd(text: str) -> None:
    users.parse_authorized_keys(text, "/k")


def test_users_of_a_tree(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "etc").mkdir(parents=True)
    (top / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nold:$6$a$b:5:5::/:/bin/sh\nops:x:1000:1000:Ops,,,:/home/ops:/bin/sh\n"
        "broken:x:one:1::/:/bin/sh\nshort:x\nnone:x:7:7::relative:/bin/sh\n"
    )
    (top / "etc/group").write_text("root:x:0:\nsudo:x:27:ops,other\nops:x:1000:ops\nadm:x:4:ops\nshort:x\n")
    (top / "etc/shadow").write_text("root:*:1:0:99999:7:::\nops:$6$a$SECRET:1::::::\n")
    found = {user.name: user for user in users.read_users(tree_of(made(top)))}
    assert {name: user.password for name, user in found.items()} == {
        "root": "none",
        "old": "hash",
        "ops": "hash",
        "none": "none",
    }
    assert found["ops"].groups == ["ops", "adm", "sudo"]
    assert "SECRET" not in repr(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("datasource_list: [ NoCloud, ConfigDrive ]\n", ["NoCloud", "ConfigDrive"]),
        ("a: 1\ndatasource_list: ['NoCloud', \"None\"]  # why\nb: 2\n", ["NoCloud", "None"]),
        ("datasource_list: [NoCloud, # first\n  None,\n]\nb: [x]\n", ["NoCloud", "None"]),
        ("datasource_list:\n  - NoCloud # first\n\n  # and\n  - None\nb:\n  - x\n", ["NoCloud", "None"]),
        ("datasource_list:\n- NoCloud\n- None\n", ["NoCloud", "None"]),
        ("datasource_list: []\n", []),
        ("datasource_list: null\n", []),
        ("datasource_list: [A]\ndatasource_list: [B]\n", ["B"]),
        ("nested:\n  datasource_list: [A]\n", None),
        ("# datasource_list: [A]\n", None),
        ("", None),
    ],
)
def test_datasource_list(text: str, expected: list[str] | None) -> None:
    assert cloud_init.parse_datasource_list(text) == expected


@given(st.text())
def test_no_configuration_is_too_odd(text: str) -> None:
    cloud_init.parse_datasource_list(text)
    cloud_init.parse_ds_identify(text)


def test_the_last_configuration_wins(tmp_path: Path) -> None:
    top = tmp_path / "top"
    directory = top / "etc/cloud/cloud.cfg.d"
    directory.mkdir(parents=True)
    (top / "etc/cloud/cloud.cfg").write_text("datasource_list: [Ec2]\n")
    (directory / "90_dpkg.cfg").write_text("datasource_list: [NoCloud, None]\n")
    (directory / "95_other.cfg").write_text("users: []\n")
    (directory / "99_note.txt").write_text("datasource_list: [Azure]\n")
    (top / "etc/cloud/ds-identify.cfg").write_text("# datasource: A\npolicy: enabled\ndatasource: NoCloud\n")
    (top / "etc/cloud/cloud-init.disabled").write_text("")
    (top / "var/lib/cloud/data").mkdir(parents=True)
    (top / "var/lib/cloud/data/instance-id").write_text("i-1\n")
    assert cloud_init.read_cloud_init(tree_of(made(top))) == cloud_init.CloudInit(
        ["NoCloud", "None"], "/etc/cloud/cloud.cfg.d/90_dpkg.cfg", "NoCloud", True, "i-1"
    )


def test_units_that_are_enabled_and_masked(tmp_path: Path) -> None:
    top = tmp_path / "top"
    directory = top / "etc/systemd/system"
    for link, target in {
        "multi-user.target.wants/ssh.service": "/lib/systemd/system/ssh.service",
        "multi-user.target.wants/masked.service": "/lib/systemd/system/masked.service",
        "cloud.target.requires/ssh.service": "/lib/systemd/system/ssh.service",
        "timers.target.wants/README": "nothing",
        "masked.service": "/dev/null",
        "relative.timer": "../../../dev/null",
        "sshd.service": "/lib/systemd/system/ssh.service",
        "default.target": "/lib/systemd/system/multi-user.target",
    }.items():
        (directory / link).parent.mkdir(parents=True, exist_ok=True)
        (directory / link).symlink_to(target)
    (directory / "empty.socket").write_text("")
    (directory / "own.service").write_text("[Service]\n")
    assert units.read_units(tree_of(made(top))) == units.Units(
        {"ssh.service": ["cloud.target", "multi-user.target"]},
        ["empty.socket", "masked.service", "relative.timer"],
        "multi-user.target",
    )


PARTITIONS = [
    Partition(1, 0, 1, uuid="aaaa-01", name="root", file_system=FileSystem("ext4", "cloudimg-rootfs", "u-1")),
    Partition(15, 0, 1, uuid="aaaa-0f", file_system=FileSystem("vfat", "UEFI", "A889-510E")),
    Partition(16, 0, 1, uuid="aaaa-10", file_system=FileSystem("ext4", "my boot", "u-16")),
]


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("LABEL=cloudimg-rootfs", 1),
        ('LABEL="my boot"', 16),
        ("UUID=a889-510e", 15),
        ("PARTUUID=AAAA-10", 16),
        ("PARTLABEL=root", 1),
        ("/dev/vda16", 16),
        ("/dev/nvme0n1p15", 15),
        ("/dev/sda1", 1),
        ("/dev/xvda1", 1),
        ("/dev/mmcblk0p1", 1),
        ("/dev/sdb1", None),
        ("/dev/vdb1", None),
        ("/dev/nvme1n1p1", None),
        ("/dev/nvme0n2p1", None),
        ("/dev/mmcblk1p1", None),
        ("/dev/md1", None),
        ("/dev/sr1", None),
        ("/dev/loop1", None),
        ("/dev/disk/by-label/my\\x20boot", 16),
        ("/dev/disk/by-uuid/u-1", 1),
        ("/dev/vda2", None),
        ("/dev/mapper/vg-root", None),
        ("LABEL=missing", None),
        ("tmpfs", None),
        ("server:/export", None),
    ],
)
def test_what_fstab_means(source: str, number: int | None) -> None:
    part = fstab.partition_of(source, PARTITIONS)
    assert (part.number if part else None) == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LABEL=cloudimg-rootfs / ext4\nLABEL=UEFI /boot/efi vfat\n", {"/": 1, "/boot/efi": 15}),
        ("LABEL=cloudimg-rootfs / ext4\n/dev/sdb1 /data ext4\n/dev/sda16 /boot/ ext4\n", {"/": 1, "/boot": 16}),
        # The guest itself says what it calls the disk.
        ("/dev/sdb1 / ext4\n/dev/sdb16 /boot ext4\n/dev/sda15 /data ext4\n", {"/": 1, "/boot": 16}),
        ("/dev/vda1 / ext4\n/dev/sda16 /data ext4\n", {"/": 1}),
        # What it says is not of this disk, where its root is.
        ("/dev/sdb7 / ext4\n/dev/sdb16 /data ext4\n", {"/": 1}),
        # What is mounted twice is one tree of files.
        ("UUID=u-1 /again ext4\nUUID=u-16 /boot ext4\n/dev/vda16 /more ext4\n", {"/": 1, "/boot": 16}),
        ("UUID=u-16 // ext4\nUUID=u-16 none swap\n", {"/": 1}),
    ],
)
def test_what_is_mounted_where(text: str, expected: dict[str, int]) -> None:
    found = fstab.mounted(fstab.parse_fstab(text), PARTITIONS, PARTITIONS[0])
    assert {point: part.number for point, part in found.items()} == expected


def test_what_may_be_mounted_from_a_volume_in_a_partition() -> None:
    sources = ("/dev/mapper/vg-home", "/dev/vg/srv", "/dev/md0", "/dev/disk/by-uuid/u-99", "LABEL=missing", "UUID=99")
    others = ("/dev/sdb1", "/dev/vda16", "/dev/sr0", "/dev/cdrom", "LABEL=UEFI", "tmpfs", "server:/export", "/srv")
    text = "".join(f"{source} /{at} auto\n" for at, source in enumerate((*sources, *others)))
    swap = "/dev/mapper/vg-swap none swap\n/dev/mapper/vg-root / ext4\n"
    found = fstab.mounted_from_volumes(fstab.parse_fstab(text + swap), PARTITIONS)
    assert found == [f"/{at}" for at in range(len(sources))]


def test_lines_of_fstab() -> None:
    text = "# what\nLABEL=a\t/a\\040b  ext4 defaults 0 1\n\nshort /x\nnone none swap sw\nLABEL=b /b ext4\n"
    assert fstab.parse_fstab(text) == [
        fstab.Mount("LABEL=a", "/a b", "ext4", "defaults"),
        fstab.Mount("none", "none", "swap", "sw"),
        fstab.Mount("LABEL=b", "/b", "ext4", "defaults"),
    ]


@pytest.mark.parametrize(
    ("text", "state"),
    [(None, "absent"), ("", "empty"), ("\n", "empty"), ("uninitialized\n", "uninitialized"), ("0a" * 16, "set")],
)
def test_machine_id(text: str | None, state: str) -> None:
    assert system.machine_id_state(text) == state


def test_the_machine_of_a_program() -> None:
    with open("/proc/self/exe", "rb") as file:
        found = system.elf_architecture(file.read(64))
    expected = {"x86_64": "amd64", "aarch64": "arm64"}
    assert found == expected.get(os.uname().machine, found)
    assert system.elf_architecture(b"") == ""
    assert system.elf_architecture(b"\x7fELF" + bytes(60)) == ""


def test_a_system_that_says_little(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "usr/lib").mkdir(parents=True)
    (top / "usr/lib/os-release").write_text("ID=small\n")
    found: dict[str, t.Any] = vars(system.read_system(tree_of(made(top))))
    assert found == {
        "os_release": {"ID": "small"},
        "hostname": "",
        "architecture": "",
        "machine_id": "absent",
        "timezone": "",
        "fstab": [],
    }
