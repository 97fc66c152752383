# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the step ``generalise`` leaves to the first boot of a clone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.generalise_clones import (
    HOST_KEYS_SERVICE,
    HOST_KEYS_UNIT,
    SNAKEOIL_SERVICE,
    SNAKEOIL_UNIT,
)

from .chroot import Chroot

pytestmark = pytest.mark.slow

# As Ubuntu has it since 22.10: enabled, and before sockets.target, which all services with default dependencies await.
SOCKET = """\
[Unit]
Before=sockets.target ssh.service
ConditionPathExists=!/etc/ssh/sshd_not_to_be_run

[Socket]
ListenStream=0.0.0.0:22
Accept=no

[Install]
WantedBy=sockets.target
RequiredBy=ssh.service
"""
VERIFY = f"""\
cat >/etc/systemd/system/ssh.socket <<'EOF'
{SOCKET}EOF
: >/usr/sbin/make-ssl-cert
chmod 0755 /usr/sbin/make-ssl-cert
SYSTEMD_OFFLINE=1 systemctl enable ssh.socket {HOST_KEYS_UNIT} {SNAKEOIL_UNIT}
systemd-analyze verify --man=no multi-user.target 2>&1 || :
"""
GENERATED = {
    "etc/netplan/50-cloud-init.yaml": "network: {version: 2}\n",
    "etc/sudoers.d/90-cloud-init-users": "ops ALL=(ALL) NOPASSWD:ALL\n",
    "etc/ssh/sshd_config.d/50-cloud-init.conf": "PasswordAuthentication yes\n",
}


@pytest.fixture(name="chroot")
def fixture_chroot(lower: dict[str, Path], tmp_path: Path) -> Iterator[Chroot]:
    with Chroot.over(lower, tmp_path / "chroot") as chroot:
        yield chroot


@pytest.mark.parametrize("ordered", [True, False])
def test_the_units_are_in_no_ordering_cycle(chroot: Chroot, ordered: bool) -> None:
    """systemd would break one by not starting ssh.socket."""
    units = chroot.root / "etc/systemd/system"
    host_keys = HOST_KEYS_SERVICE if ordered else HOST_KEYS_SERVICE.replace("DefaultDependencies=no\n", "")
    (units / HOST_KEYS_UNIT).write_text(host_keys)
    (units / SNAKEOIL_UNIT).write_text(SNAKEOIL_SERVICE)
    chroot.apply([{"run_command": {"command": VERIFY, "network": False}}])
    said = chroot.output[0]
    assert ("ordering cycle" in said) is not ordered, said


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("usr/bin/cloud-init", None),
        ("etc/cloud/cloud-init.disabled", ""),
        ("etc/default/grub.d/99-x.cfg", 'GRUB_CMDLINE_LINUX="cloud-init=disabled"\n'),
        ("etc/systemd/system/cloud-init.service", "/dev/null"),
        ("etc/systemd/system/cloud-init.target.wants/cloud-init-local.service", None),
    ],
)
def test_what_cloud_init_would_not_write_again_stays(chroot: Chroot, path: str, content: str | None) -> None:
    place = chroot.root / path
    if content is None:
        place.unlink()
    elif content == "/dev/null":
        place.symlink_to(content)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    generalise(chroot)
    assert {path: (chroot.root / path).read_text() for path in GENERATED} == GENERATED
    assert "what it once generated for it stays" in chroot.output[-1]


def test_a_network_that_cloud_init_leaves_alone_stays(chroot: Chroot) -> None:
    steps = [{"cloud_config": {"name": "99-network", "config": {"network": {"config": "disabled"}}}}]
    generalise(chroot, *steps)
    assert [path for path in GENERATED if (chroot.root / path).exists()] == ["etc/netplan/50-cloud-init.yaml"]


def test_resolv_conf_stays_a_file(chroot: Chroot) -> None:
    """That of the test image is a link."""
    resolv_conf = chroot.root / "etc/resolv.conf"
    resolv_conf.unlink()
    resolv_conf.write_text("nameserver 192.0.2.53\n")
    generalise(chroot)
    assert (resolv_conf.read_text(), resolv_conf.is_symlink()) == ("nameserver 192.0.2.53\n", False)


def test_a_history_that_is_a_directory_stays(chroot: Chroot) -> None:
    (chroot.root / "root/.x_history/y").mkdir(parents=True)
    generalise(chroot)
    assert os.path.isdir(chroot.root / "root/.x_history/y")


def generalise(chroot: Chroot, *steps: dict[str, object]) -> None:
    for path, content in GENERATED.items():
        (chroot.root / path).parent.mkdir(parents=True, exist_ok=True)
        (chroot.root / path).write_text(content)
    chroot.apply([*steps, {"generalise": {}}])
