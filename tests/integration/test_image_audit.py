# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit on whole images: one as a publisher's, one that was a machine, and blocks that were freed."""

from __future__ import annotations

import base64
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import Allowance, Expected, Secret
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.report import Report
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.audit import audit_image, audit_info, audit_info_spec
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .mounted import mounted
from .plays import run_tasks
from .test_guest import fill_boot, small_system
from .tiny_image import tiny_image

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"
HASH = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"
IN_ROOT, IN_BOOT, FREED, ABSENT = "11a7-in-root-x", "5c02-in-boot-x", "9f31/freed & gone", "ab12-nowhere-x"
PARAMS: dict[str, t.Any] = {name: spec.get("default") for name, spec in audit_info_spec().items()}
SECRETS = tuple(
    Secret(label, text)
    for label, text in {"root": IN_ROOT, "boot": IN_BOOT, "freed": FREED, "none": ABSENT, "short": "1234"}.items()
)


@pytest.fixture(name="base", scope="module")
def fixture_base() -> Path:
    return next(image.path for image in base_image.ensure() if image.lineage == "server")


@pytest.fixture(name="machine", scope="module")
def fixture_machine(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that was a machine: every rule of its files is broken, and its file has a snapshot."""
    directory = tmp_path_factory.mktemp("audit")
    image = directory / "machine.qcow2"
    qemu_img.create_overlay(LocalHost(str(directory)), str(base), "qcow2", str(image))
    files: dict[str, str] = {
        "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
        "var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n",
        "root/.ssh/authorized_keys": f"{KEY}\n",
        "etc/ssh/ssh_host_ed25519_key": "key\n",
        "var/lib/cloud/data/instance-id": "i-1\n",
        "var/lib/cloud/seed/nocloud/meta-data": "instance-id: i-1\n",
        "var/lib/dhcp/dhclient.leases": "lease\n",
        "var/lib/systemd/random-seed": "seed\n",
        "etc/udev/rules.d/70-persistent-net.rules": "rule\n",
        "etc/nvme/hostid": "id\n",
        "etc/krb5.keytab": "key\n",
        "root/.bash_history": "ls\n",
        "var/log/dpkg.log": "log\n",
        "var/lib/apt/lists/x_InRelease": "list\n",
        "var/cache/apt/archives/x.deb": "deb\n",
        "tmp/left": "x\n",
        "var/mail/root": "mail\n",
        ".goldsmith/x": "x\n",
        "srv/world": "x\n",
        "srv/config.json": base64.b64encode(f'{{"t": "{IN_ROOT}"}}'.encode()).decode(),
        "srv/deleted": f"{FREED}\n" * 500,
    }
    with mounted(image, writable=True) as root:
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        (root / "srv/world").chmod(0o666)
        shadow = (root / "etc/shadow").read_text()
        (root / "etc/shadow").write_text(shadow.replace("root:*:", f"root:{HASH}:"))
        subprocess.run(["sync", "-f", root], check=True)
        (root / "srv/deleted").unlink()
    with mounted(image, label="BOOT", writable=True) as boot:
        (boot / "grub/custom.cfg").write_text(f"# {IN_BOOT}\n")
    subprocess.run(["qemu-img", "snapshot", "-c", "before", image], check=True)
    return image


def audited(image: Path, tmp_path: Path, expected: Expected, **more: t.Any) -> Report:
    host = LocalHost(str(tmp_path))
    return audit_image(host, image=str(image), image_format="qcow2", workdir=str(tmp_path), expected=expected, **more)


def test_an_image_of_packages_alone_passes(base: Path, tmp_path: Path) -> None:
    """The test image is made as a publisher's is; no publisher's own was tried."""
    began = time.monotonic()
    report = audited(base, tmp_path, Expected())
    assert {line.rule.name: line.status for line in report.lines if line.status != "passed"} == {}, report.text()
    assert not report.failed
    # Without a secret to search for: a raw copy, and a walk over all files.
    assert time.monotonic() - began < 60
    assert list(tmp_path.iterdir()) == []


def test_a_machine_breaks_every_rule(machine: Path, tmp_path: Path) -> None:
    report = audited(machine, tmp_path, Expected(secrets=SECRETS))
    # All that it mounts is read.
    assert [line.rule.name for line in report.lines if line.status != "failed"] == ["unread"]
    found = {finding.path: finding.detail for finding in report.lines[0].findings}
    assert report.lines[0].rule.name == "secrets"
    assert "(base64)" in found["/srv/config.json"]
    assert "(plain)" in found["/boot/grub/custom.cfg"]
    assert found[""].startswith("freed stands there (plain)")
    assert "in no file" in found[""]
    assert not any(detail.startswith("none ") for detail in found.values())
    assert report.not_searched == ("short",)
    for text in (report.text(), str(report.as_dict())):
        assert not any(secret in text for secret in (IN_ROOT, IN_BOOT, FREED, HASH))


def test_what_is_meant_to_be_there(machine: Path, tmp_path: Path) -> None:
    expected = Expected(
        generalised=False,
        passwords={"root": ""},
        authorized_keys={"root": frozenset({KEY})},
        allow=(
            Allowance("world_writable", ("/srv/world",), "a test"),
            Allowance("build", ("/.goldsmith*",), "a test"),
            Allowance("secrets", ("/srv/*", "/boot/*"), "a test"),
            Allowance("snapshots", ("*",), "a test"),
        ),
        secrets=(Secret("root", IN_ROOT), Secret("boot", IN_BOOT)),
    )
    report = audited(machine, tmp_path, expected)
    assert not report.failed, report.text()
    assert {line.status for line in report.lines} == {"passed", "allowed", "told"}
    assert report.unused == ()


def test_some_rules_only(machine: Path, tmp_path: Path) -> None:
    report = audited(machine, tmp_path, Expected(), rules=["logs", "mail"])
    assert [line.rule.name for line in report.lines] == ["logs", "mail"]
    with pytest.raises(BadRequestError, match="rules is 'log', which is no rule of the audit; logs is"):
        audited(machine, tmp_path, Expected(), rules=["log"])


def test_an_image_that_cannot_be_read_is_no_pass(tmp_path: Path) -> None:
    image = tmp_path / "empty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    with pytest.raises(BadRequestError, match="holds no Linux system"):
        audited(image, tmp_path, Expected())


def test_a_file_system_that_is_not_read_is_no_pass(tmp_path: Path) -> None:
    disk = small_system(tmp_path, boot="/dev/vda1")
    fill_boot(disk, "luks")
    host = LocalHost(str(tmp_path))

    def audited(expected: Expected, **more: t.Any) -> dict[str, str]:
        report = audit_image(
            host, image=str(disk), image_format="raw", workdir=str(tmp_path), expected=expected, **more
        )
        return {line.rule.name: line.status for line in report.lines}

    assert audited(Expected(generalised=False))["unread"] == "failed"
    allow = (Allowance("unread", ("/boot",), "a test"),)
    assert audited(Expected(generalised=False, allow=allow))["unread"] == "allowed"
    with pytest.raises(BadRequestError, match="partition 1 is encrypted by LUKS"):
        audited(Expected(), rules=["logs"])


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("path", "", "path is empty. Give a path"),
        ("workdir", "", "workdir is empty. Give a path"),
        ("rules", [], "rules is empty, and nothing would be looked for"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, option: str, value: object, said: str) -> None:
    image = tiny_image(tmp_path / "tiny")
    with pytest.raises(BadRequestError, match=said):
        audit_info(LocalHost(str(tmp_path)), {**PARAMS, "path": str(image), option: value}, True)


def test_the_module(machine: Path, tmp_path: Path) -> None:
    before = machine.stat().st_mtime_ns
    task = {
        "goldsmith.kvm.image_audit_info": {
            "path": str(machine),
            "workdir": str(tmp_path),
            "secrets": {"boot": IN_BOOT, "none": ABSENT},
            "authorized_keys": {"root": f"{KEY}\n"},
            "passwords": ["root"],
            "rules": ["secrets", "authorized_keys", "passwords", "world_writable"],
            "allow": [{"rule": "world_writable", "reason": "a test"}],
        }
    }
    (result,) = run_tasks([task])
    assert (result["changed"], result["passed"]) == (False, False)
    assert {line["rule"]: line["status"] for line in result["rules"]} == {
        "secrets": "failed",
        "authorized_keys": "passed",
        "passwords": "passed",
        "world_writable": "allowed",
    }
    assert result["rules"][0]["findings"][0]["path"] == "/boot/grub/custom.cfg"
    assert IN_BOOT not in str({key: value for key, value in result.items() if key != "invocation"})
    assert machine.stat().st_mtime_ns == before
