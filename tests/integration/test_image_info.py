# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_info of real images, compared with what the systems' own tools say of the same files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.info import DEFAULT, inspect_image
from ansible_collections.goldsmith.kvm.tests.fixtures.apt_repository import KERNEL_VERSION
from ansible_collections.goldsmith.kvm.tests.fixtures.sbom_schemas import read_cyclonedx, read_spdx
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .chroot import Chroot
from .plays import Result, run_module
from .promises import Place
from .test_guest import fill_boot, in_use, luks_header, server_image, small_system

MODULE = "goldsmith.kvm.image_info"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"


def info(path: Path, *gather: str, **options: t.Any) -> Result:
    """What the flow returns, without Ansible around it."""
    host = LocalHost(str(path.parent))
    params = {"path": str(path), "format": None, "gather": list(gather or DEFAULT), "workdir": str(path.parent)}
    return inspect_image(host, {**params, "store": str(path.parent / "store"), **options}, False)


def said(*argv: str | Path) -> str:
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True).stdout


def installed(root: Path) -> set[tuple[str, ...]]:
    """What dpkg-query says of the system in a directory."""
    names = "${Package}|${Version}|${Architecture}|${source:Package}|${source:Version}|${db:Status-Status}\n"
    lines = said("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", names).splitlines()
    return {tuple(line.split("|")) for line in lines if not line.endswith(("|config-files", "|not-installed"))}


def told(packages: list[dict[str, str]]) -> set[tuple[str, ...]]:
    columns = ("name", "version", "architecture", "source", "source_version", "status")
    return {tuple(package[column] for column in columns) for package in packages}


def enabled(root: Path) -> set[str]:
    """The unit files that systemctl calls enabled, of which one may stand for several instances."""
    argv = ("systemctl", f"--root={root}", "list-unit-files", "--state=enabled", "--no-legend", "--plain")
    return {line.split()[0] for line in said(*argv).splitlines()}


@pytest.fixture(name="customised", scope="module")
def fixture_customised(
    lower: dict[str, Path], place: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Chroot]]:
    """A disk of one file system with the test userland after some steps, and the directory that it was made from."""
    directory = tmp_path_factory.mktemp("customised")
    source = {"uris": [place.apt_url], "suites": ["stable"], "components": ["main"]}
    with Chroot.over(lower, directory / "chroot") as chroot:
        chroot.apply(
            [
                {"apt_repository": {"name": "tests", **source, "key_src": str(place.keys.apt.armored)}},
                {"packages": {"install": [f"linux-image-{KERNEL_VERSION}"]}},
                {"kernel_cmdline": {"append": ["goldsmith.info=1"]}},
                {"user": {"name": "ops", "authorized_keys": [KEY], "groups": ["adm", "sudo"]}},
                {"cloud_config": {"name": "90-sources", "content": "datasource_list: [NoCloud, None]\n"}},
                {"disable_unattended_upgrades": {}},
                {"hostname": {"name": "golden"}},
                {"timezone": {"name": "Europe/Berlin"}},
            ]
        )
        (chroot.root / "etc/systemd/system/fstrim.timer").symlink_to("/dev/null")
        disk = directory / "disk.raw"
        argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "cloudimg-rootfs", "-d", str(chroot.root), str(disk), "2G"]
        subprocess.run(argv, check=True, capture_output=True)
        yield disk, chroot


def test_packages_of_the_base_image_are_dpkg_s(lower: dict[str, Path], tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.symlink_to(server_image())
    before = hashlib.sha256(image.read_bytes()).digest()
    found = run_module(MODULE, path=str(image), workdir=str(tmp_path))
    assert not found.get("failed"), found
    assert not found["changed"]
    documented = {"changed", "image_path", "obstacle", "partition_table", "record_path", "invocation", *DEFAULT}
    assert {name for name in found if not name.startswith("_")} <= documented
    assert (found["obstacle"], found["record"], found["record_path"]) == (None, None, None)
    assert found["image_path"] == str(server_image())
    assert told(found["packages"]) == installed(lower["/"])
    assert len(found["packages"]) > 150
    assert {unit.replace("@tty1", "@") for unit in found["units"]["enabled"]} == enabled(lower["/"])
    assert found["system"]["os_release"]["ID"] == "debian"
    assert found["system"]["machine_id"] == "empty"
    assert found["system"]["architecture"] == said("dpkg", "--print-architecture").strip()
    (kernel,) = found["kernels"]["kernels"]
    assert [f"vmlinuz-{kernel['version']}"] == [path.name for path in lower["/boot"].glob("vmlinuz-*")]
    assert kernel["default"] and kernel["initrd"] == f"/boot/initrd.img-{kernel['version']}"
    assert found["kernels"]["command_line"] == "root=LABEL=cloudimg-rootfs ro console=tty1 console=ttyS0"
    assert found["cloud_init"]["instance_id"] is None
    assert {user["password"] for user in found["users"]} == {"none", "locked"}
    assert [part["mount_point"] for part in found["partitions"]] == [None, "/boot/efi", "/boot", "/"]
    assert run_module(MODULE, "--check", path=str(image), workdir=str(tmp_path)) == found
    assert hashlib.sha256(image.read_bytes()).digest() == before
    assert sorted(os.listdir(tmp_path)) == ["image.qcow2"]


def test_a_customised_system(customised: tuple[Path, Chroot]) -> None:
    disk, chroot = customised
    found = info(disk)
    assert found["obstacle"] is None
    assert (found["partition_table"], len(found["partitions"])) == (None, 1)
    assert told(found["packages"]) == installed(chroot.root)
    assert {unit.replace("@tty1", "@") for unit in found["units"]["enabled"]} == enabled(chroot.root)
    assert "fstrim.timer" in found["units"]["masked"] and "ssh.service" in found["units"]["enabled"]
    (ops,) = (user for user in found["users"] if user["name"] == "ops")
    (key,) = ops["authorized_keys"]
    assert (
        key["fingerprint"] == said("ssh-keygen", "-l", "-f", chroot.root / "home/ops/.ssh/authorized_keys").split()[1]
    )
    assert (key["comment"], key["path"]) == ("ops@example.com", "/home/ops/.ssh/authorized_keys")
    assert ops["groups"] == ["ops", "adm", "sudo"]
    assert found["cloud_init"]["datasources"] == ["NoCloud", "None"]
    assert found["cloud_init"]["datasources_from"].startswith("/etc/cloud/cloud.cfg.d/")
    assert (found["system"]["hostname"], found["system"]["timezone"]) == ("golden", "Europe/Berlin")
    hashes = re.findall(r"\$[0-9a-z]+\$[^:]+", (chroot.root / "etc/shadow").read_text())
    assert not any(secret in json.dumps(found) for secret in hashes)


def test_the_kernel_that_grub_boots(customised: tuple[Path, Chroot]) -> None:
    """By the menu that update-grub wrote, and by one that starts an older kernel."""
    disk, chroot = customised
    kernels = info(disk, "kernels")["kernels"]
    versions = {path.name.removeprefix("vmlinuz-") for path in (chroot.root / "boot").glob("vmlinuz-*")}
    assert {kernel["version"] for kernel in kernels["kernels"]} == versions
    assert [kernel["version"] for kernel in kernels["kernels"] if kernel["default"]] == [KERNEL_VERSION]
    assert kernels["chosen_by"] == "grub"
    assert "goldsmith.info=1" in kernels["command_line"].split()
    (older,) = versions - {KERNEL_VERSION}
    with (chroot.root / "etc/default/grub").open("a") as file:
        file.write("GRUB_DEFAULT=saved\n")
    chroot.apply([{"run_command": {"command": "update-grub", "network": False}}])
    menu = (chroot.root / "boot/grub/grub.cfg").read_text()
    submenu = re.search(r"submenu .*'(gnulinux-advanced-[^']+)'", menu)
    entry = re.search(rf"'(gnulinux-{re.escape(older)}-advanced-[^']+)'", menu)
    assert submenu and entry
    subprocess.run(
        ["grub-editenv", chroot.root / "boot/grub/grubenv", "set", f"saved_entry={submenu[1]}>{entry[1]}"], check=True
    )
    for name in ("grub.cfg", "grubenv"):
        script = f"rm /boot/grub/{name}\nwrite {chroot.root}/boot/grub/{name} /boot/grub/{name}\n"
        subprocess.run(["debugfs", "-w", "-f", "-", disk], input=script, text=True, check=True, capture_output=True)
    kernels = info(disk, "kernels")["kernels"]
    assert [kernel["version"] for kernel in kernels["kernels"] if kernel["default"]] == [older]


def test_bills_of_materials(customised: tuple[Path, Chroot], tmp_path: Path) -> None:
    lower, chroot = customised
    disk = tmp_path / "disk.qcow2"
    said("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", lower, disk)
    found = info(disk, "sbom_spdx", "sbom_cyclonedx")
    assert sorted(found) == ["changed", "image_path", "obstacle", "sbom"]
    expected = {(package[0], package[1]) for package in installed(chroot.root)}
    spdx, cyclonedx = read_spdx(found["sbom"]["spdx"]), read_cyclonedx(found["sbom"]["cyclonedx"])
    assert {(package.name, package.version) for package in spdx.packages} >= expected
    assert {(component.name, component.version) for component in cyclonedx.components} >= expected
    for document in found["sbom"].values():
        assert hashlib.sha256(disk.read_bytes()).hexdigest() in json.dumps(document)
    os.utime(disk, (0, 0))
    assert info(disk, "sbom_spdx")["sbom"] == {"spdx": found["sbom"]["spdx"]}
    assert info(small_system(tmp_path), "sbom_spdx")["sbom"] is None


@pytest.mark.parametrize("image_format", ["qcow2", "vmdk", "vhdx"])
def test_every_format_tells_the_same(image_format: str, tmp_path: Path) -> None:
    raw, image = small_system(tmp_path), tmp_path / f"image.{image_format}"
    said("qemu-img", "convert", "-f", "raw", "-O", image_format, raw, image)
    expected, found = info(raw), info(image)
    assert (expected["format"]["format"], found["format"]["format"]) == ("raw", image_format)
    assert found["format"]["virtual_size"] == expected["format"]["virtual_size"] == raw.stat().st_size
    varying = ("image_path", "format")
    assert {name: found[name] for name in found if name not in varying} == {
        name: expected[name] for name in expected if name not in varying
    }
    assert found["partition_table"] == "dos"
    assert [(part["kind"], part["bootable"], part["mount_point"]) for part in found["partitions"]] == [
        ("linux", True, "/boot"),
        ("linux", False, "/"),
    ]


def test_an_overlay_and_its_chain(tmp_path: Path) -> None:
    raw = small_system(tmp_path)
    middle, top = tmp_path / "middle.qcow2", tmp_path / "top.qcow2"
    said("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", raw.name, middle)
    said("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", middle, top, "96M")
    record = record_of(raw)
    (tmp_path / f"{raw.name}.json").write_text(json.dumps(record))
    found = info(top, "format", "record", "system", "drift")
    assert found["format"]["virtual_size"] == 96 * 1024**2
    assert [(layer["path"], layer["format"]) for layer in found["format"]["backing_chain"]] == [
        (str(middle), "qcow2"),
        (str(raw), "raw"),
    ]
    assert found["record"] == record
    assert found["record_path"] == f"{raw}.json"
    assert found["system"]["hostname"] == "small"
    # It has no database of packages, which could tell.
    assert (found["drift"]["drifted"], found["drift"]["digest"]) == (None, None)


def test_what_was_upgraded_in_a_guest(tmp_path: Path) -> None:
    """Whatever it was, and not only what the build had changed."""
    (tmp_path / "later").mkdir()
    built = small_system(tmp_path, bash="5.1", openssl="3.0", removed="1")
    later = small_system(tmp_path / "later", bash="5.1", openssl="3.1", added="1")
    golden, disk = tmp_path / "golden.qcow2", tmp_path / "disk.qcow2"
    said("qemu-img", "convert", "-f", "raw", "-O", "qcow2", built, golden)
    said("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", golden, disk)
    beside = Path(f"{golden}.json")
    record = record_of(golden, packages={"added": {"bash": "5.1"}, "removed": {"snapd": "2"}, "changed": {}})
    beside.write_text(json.dumps(record))
    unchanged = {"digest": None, "fingerprint": None, "packages": {}, "os_release": {}}
    expected = {"record_path": str(beside), "drifted": False, **unchanged}
    assert info(golden, "drift")["drift"] == expected
    assert info(disk, "drift")["drift"] == expected
    said("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-B", golden, "-F", "qcow2", later, disk)
    upgraded = {"added": [None, "1"], "openssl": ["3.0", "3.1"], "removed": ["1", None]}
    assert info(disk, "drift")["drift"] == {**expected, "drifted": True, "packages": upgraded}
    with in_use(disk):
        found = info(disk, "drift")
        assert "is in use: a guest may be writing to it" in found["obstacle"]["problem"]
        unknown = {"drifted": None, "packages": None, "os_release": None}
        assert found["drift"] == {**expected, **unknown}
        beside.write_text(json.dumps({**record, "image": {"digest": "sha256:00"}}))
        assert info(disk, "drift")["drift"]["drifted"]
    # A golden image whose files cannot be read is by its digest what was built.
    with built.open("r+b") as file:
        file.seek(34816 * 512)
        file.write(luks_header())
    Path(f"{built}.json").write_text(json.dumps(record_of(built)))
    found = info(built, "drift")
    assert "cannot be read" in found["obstacle"]["problem"]
    assert found["drift"] == {**expected, **unknown, "record_path": f"{built}.json", "drifted": False}


def test_what_is_missed_in_an_image(tmp_path: Path) -> None:
    disk = small_system(tmp_path, bash="5.1")
    fill_boot(disk, "luks")
    found = info(disk, "packages", "users")
    assert (found["obstacle"], len(found["packages"])) == (None, 1)
    found = info(disk)
    problem = f"some of the files in {disk} cannot be read: /boot (partition 1 is encrypted by LUKS)"
    assert found["obstacle"]["problem"] == problem
    assert "goldsmith.kvm.image_boot" in found["obstacle"]["way_out"]
    assert (found["kernels"]["kernels"], found["system"]["hostname"]) == ([], "small")


def record_of(image: Path, **other: t.Any) -> dict[str, t.Any]:
    """The part of a build record that matters here."""
    return {
        "created": "2026-09-06T04:12:31Z",
        "fingerprint": f"sha256:{1:064x}",
        "base": {"digest": f"sha256:{2:064x}"},
        "recipe": {"steps": []},
        "image": {"digest": f"sha256:{hashlib.sha256(image.read_bytes()).hexdigest()}"},
        "packages": {"added": {}, "removed": {}, "changed": {}},
        **other,
    }


def test_a_record_costs_less_than_a_second_and_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "image.qcow2"
    shutil.copyfile(server_image(), image)
    record = record_of(image)
    (tmp_path / "image.qcow2.json").write_text(json.dumps(record))
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(LocalHost, "which", lambda *dummy: None)
    began = time.monotonic()
    found = info(image, "record")
    assert time.monotonic() - began < 1
    assert (found["record"], found["record_path"]) == (record, f"{image}.json")


def test_drift(customised: tuple[Path, Chroot], tmp_path: Path) -> None:
    lower, chroot = customised
    disk = tmp_path / "disk.qcow2"
    said("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", lower, disk)
    version = {package[0]: package[1] for package in installed(chroot.root)}
    packages = {
        "added": {"openssh-server": version["openssh-server"], "nginx-light": "1.24.0-2", "zlib1g": "0.1"},
        "removed": {"snapd": "2.63", "dpkg": "1.21.22"},
        "changed": {"apt": ["2.0", version["apt"]], "bash": [version["bash"], "9.9"]},
    }
    os_release = {"ID": "debian", "VERSION_ID": "11"}
    beside = Path(f"{disk}.json")
    beside.write_text(json.dumps(record_of(disk, packages=packages, os_release=os_release)))
    found = info(disk, "drift")["drift"]
    assert (found["drifted"], found["digest"], found["fingerprint"]) == (True, None, None)
    assert found["packages"] == {
        "bash": ["9.9", version["bash"]],
        "dpkg": [None, version["dpkg"]],
        "nginx-light": ["1.24.0-2", None],
        "zlib1g": ["0.1", version["zlib1g"]],
    }
    assert found["os_release"]["VERSION_ID"] == ["11", "12"]
    assert "ID" not in found["os_release"]
    beside.write_text(json.dumps({**record_of(disk), "image": {"digest": "sha256:00"}}))
    found = info(disk, "drift")["drift"]
    assert found["digest"] == ["sha256:00", f"sha256:{hashlib.sha256(disk.read_bytes()).hexdigest()}"]
    assert (found["drifted"], found["packages"], found["os_release"]) == (True, {}, {})
    beside.unlink()
    assert info(disk, "drift")["drift"] is None


def test_the_record_inside_an_image(tmp_path: Path) -> None:
    raw, record = small_system(tmp_path), tmp_path / "record"
    record.write_text('{"schema": 1, "name": "inside", "fingerprint": "sha256:11"}')
    place = "/usr/share/goldsmith"
    script = f"mkdir /usr\nmkdir /usr/share\nmkdir {place}\nwrite {record} {place}/build-record.json\n"
    subprocess.run(
        ["debugfs", "-w", "-f", "-", f"{raw}?offset={34816 * 512}"],
        input=script,
        text=True,
        check=True,
        capture_output=True,
    )
    found = info(raw, "record", "system")
    assert found["record"]["name"] == "inside"
    assert found["record_path"] == "/usr/share/goldsmith/build-record.json"
    assert info(raw, "record")["record"] is None
    Path(f"{raw}.json").write_text(json.dumps(record_of(raw)))
    assert info(raw, "drift")["drift"]["fingerprint"] == [f"sha256:{1:064x}", "sha256:11"]
