# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step ``generalise`` beside other steps, and what the real engine leaves of its work.

``promises/generalise.py`` has what it takes out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import Secret
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.audit import audit_image
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.audit_expected import expected_of
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.generalise_scripts import GROUPS
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import all_operations
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.steps.generalise import trims
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .booting import Boot, boot
from .chroot import Chroot
from .engine_builds import Built, build_steps
from .lan import lan
from .mounted import mounted

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"
FREED = b"goldsmith-freed-block-5c81"
ID = "0123456789abcdef0123456789abcdef\n"
RESOLV_CONF = "# By the publisher.\nnameserver 127.0.0.53\n"

OF_THE_BASE = (
    "etc/ssh/ssh_host_rsa_key",
    "var/lib/systemd/random-seed",
    "var/lib/dhcp/dhclient.leases",
    "root/.bash_history",
    "var/lib/cloud/data/instance-id",
)
SCATTER = """\
echo "{\\"token\\": \\"$TOKEN\\"}" | base64 >/srv/token
sync
rm /srv/token
mkdir /srv/scattered
for number in $(seq 400); do
    i=0
    while [ $i -lt 60 ]; do printf '%s\\n' "@FREED@ $number"; i=$((i + 1)); done >/srv/scattered/$number
done
sync
for number in $(seq 2 2 400); do rm /srv/scattered/$number; done
for number in $(seq 1 2 400); do echo kept >/srv/scattered/$number; done
sync
""".replace("@FREED@", FREED.decode())
"""A file with a secret, and files of one block each, of which every second one is deleted, so that free and used blocks
alternate."""


@pytest.fixture(name="chroot")
def fixture_chroot(lower: dict[str, Path], tmp_path: Path) -> Iterator[Chroot]:
    with Chroot.over(lower, tmp_path / "chroot") as chroot:
        yield chroot


def test_what_other_steps_made_stays(chroot: Chroot) -> None:
    chroot.apply(
        [
            {"user": {"name": "ops", "authorized_keys": [KEY], "password": "of the recipe"}},
            {"ssh_inject": {"user": "root", "key": KEY}},
            {"firstboot_command": {"command": "echo hello"}},
            {"generalise": {}},
        ]
    )
    for home in ("root", "home/ops"):
        assert (chroot.root / home / ".ssh/authorized_keys").read_text() == f"{KEY}\n"
    assert "\nops:$" in (chroot.root / "etc/shadow").read_text()
    scripts = list((chroot.root / "var/lib/goldsmith/firstboot").iterdir())
    assert [script.read_text().splitlines()[-1] for script in scripts] == ["echo hello"]


def test_host_keys_of_the_package_go(chroot: Chroot) -> None:
    """As an upgrade of openssh-server makes them in an image that has none."""
    chroot.apply([{"run_command": {"command": "ssh-keygen -A", "network": False}}, {"generalise": {}}])
    assert list((chroot.root / "etc/ssh").glob("ssh_host_*")) == []


@pytest.mark.parametrize("lacking", ["removed", "disabled"])
def test_without_cloud_init_a_unit_makes_host_keys(chroot: Chroot, lacking: str) -> None:
    if lacking == "removed":
        (chroot.root / "usr/bin/cloud-init").unlink()
    else:
        (chroot.root / "etc/cloud/cloud-init.disabled").touch()
    chroot.apply([{"generalise": {}}])
    unit = chroot.root / "etc/systemd/system/goldsmith-ssh-host-keys.service"
    assert "ssh-keygen -A" in unit.read_text()
    wanted = chroot.root / "etc/systemd/system/multi-user.target.wants" / unit.name
    assert os.readlink(wanted) == f"/etc/systemd/system/{unit.name}"


def test_all_can_be_kept_but_the_machine_id(chroot: Chroot) -> None:
    traces = [chroot.root / path for path in (*OF_THE_BASE, "tmp/file", "var/log/dpkg.log", "etc/shadow-")]
    for path in traces:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("trace\n")
    (chroot.root / "etc/machine-id").write_text(ID)
    chroot.apply([{"generalise": {"keep": list(GROUPS), "trim": False}}])
    assert [path.read_text() for path in traces] == ["trace\n"] * len(traces)
    assert (chroot.root / "etc/machine-id").read_text() == ""


@pytest.mark.parametrize("before", ["absent", "link", "uninitialized"])
def test_the_machine_id_is_an_empty_file(chroot: Chroot, before: str) -> None:
    machine_id = chroot.root / "etc/machine-id"
    machine_id.unlink()
    if before == "link":
        machine_id.symlink_to("/var/lib/dbus/machine-id")
        (chroot.root / "var/lib/dbus/machine-id").write_text(ID)
    elif before == "uninitialized":
        machine_id.write_text("uninitialized\n")
    chroot.apply([{"generalise": {}}])
    assert (machine_id.read_text(), machine_id.is_symlink()) == ("", False)
    assert stat.S_IMODE(machine_id.stat().st_mode) == (0o644 if before == "uninitialized" else 0o444)


STEPS = parse_steps(
    [
        {"run_command": {"command": SCATTER, "network": False, "secrets": {"TOKEN": "token/of the build"}}},
        {"user": {"name": "ops", "authorized_keys": [KEY], "password": "of the recipe"}},
        {"generalise": {}},
    ]
)


@pytest.fixture(name="built", scope="module")
def fixture_built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A base that was a machine once, with an identity of its own."""
    image = next(image.path for image in base_image.ensure() if image.lineage == "server")
    directory = tmp_path_factory.mktemp("generalise")
    base = directory / "base.qcow2"
    qemu_img.create_overlay(LocalHost(str(directory)), str(image), "qcow2", str(base))
    with mounted(base, writable=True) as root:
        (root / "etc/machine-id").write_text(ID)
        (root / "var/lib/dbus/machine-id").write_text(ID)
        # As a publisher may have it: a file, not the link that the test image has.
        (root / "etc/resolv.conf").unlink()
        (root / "etc/resolv.conf").write_text(RESOLV_CONF)
        for path in OF_THE_BASE:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("of the base\n")
    operations = all_operations(STEPS, {step.index: {} for step in STEPS})
    return build_steps(base, directory / "work", *operations, fine=trims(STEPS))


def test_the_engine_leaves_no_identity(built: Built) -> None:
    with mounted(built.disk) as root:
        assert (root / "etc/machine-id").read_text() == ""
        assert os.readlink(root / "var/lib/dbus/machine-id") == "/etc/machine-id"
        assert [path for path in OF_THE_BASE if (root / path).exists()] == []
        assert list((root / "tmp").iterdir()) == []
        assert [path for path in (root / "var/log").rglob("*") if path.is_file() and path.stat().st_size] == []
        assert (root / "home/ops/.ssh/authorized_keys").read_text() == f"{KEY}\n"
        resolv_conf = root / "etc/resolv.conf"
        assert (resolv_conf.read_text(), resolv_conf.is_symlink()) == (RESOLV_CONF, False)


def test_the_audit_finds_nothing(built: Built, tmp_path: Path) -> None:
    expected = expected_of(STEPS)
    assert [secret.text for secret in expected.secrets] == ["token/of the build", "of the recipe"]
    # Not only the secrets: nothing at all of what was deleted.
    expected = replace(expected, secrets=(*expected.secrets, Secret("freed", FREED.decode())))
    host = LocalHost(str(tmp_path))
    report = audit_image(host, image=str(built.disk), image_format="qcow2", workdir=str(tmp_path), expected=expected)
    assert {line.rule.name: line.status for line in report.lines if line.status != "passed"} == {}, report.text()


CLONE = """\
echo "address=$(ip -4 -o address show scope global | grep -o 'inet [0-9.]*' | cut -d ' ' -f 2)"; \
echo "keys=$(cat /etc/ssh/ssh_host_*_key.pub | cut -d ' ' -f 2 | sort | tr '\\n' ' ')"
"""


def test_clones_are_machines_of_their_own(built: Built, tmp_path: Path) -> None:
    """Booted at the same time on one network, whose DHCP server knows machines by what comes of their machine-id."""
    directories = [tmp_path / name for name in ("lan", "first", "second")]
    for directory in directories:
        directory.mkdir()

    def clone(number: int) -> Boot:
        return boot(built.disk, "bios", directories[number], more=CLONE.strip(), join=network.port(number))

    with lan(directories[0], ports=2) as network, ThreadPoolExecutor(2) as pool:
        first, second = pool.map(clone, (1, 2))
        leases = network.leases()
    for booted in (first, second):
        booted.assert_well("bios")
    assert first.told["machine_id"] != second.told["machine_id"]
    keys = [set(booted.told["keys"].split()) for booted in (first, second)]
    assert keys[0] and keys[1] and not keys[0] & keys[1]
    assert {first.told["address"], second.told["address"]} == {lease.address for lease in leases}
    assert len({lease.address for lease in leases}) == 2
    # RFC 4361: the client id is an IAID, of the place of the network card, and a DUID, here of the machine-id.
    assert all(lease.client_id.startswith("ff:") for lease in leases)
    assert len({lease.client_id[15:] for lease in leases}) == 2
