# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role made, seen from outside: the image's root mounted read-only, and the files on the build host.

And from inside, by SSH, in a guest that was booted from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
import testinfra.host

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))
sys.path.insert(0, str(Path(__file__).resolve().parents[4] / ".run" / "collections"))

from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.info import info_argument_spec, inspect_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from tests.fixtures.apt_repository import KERNEL_VERSION
from tests.fixtures.sbom_schemas import read_cyclonedx, read_spdx
from tests.integration.mounted import mounted

WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "goldsmith"
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGdvbGRzbWl0aC1rdm0tbW9sZWN1bGUta2V5LTAwMDAx"

Host = testinfra.host.Host


def results() -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((WORK / "results.json").read_text()))


@pytest.fixture(scope="module")
def result() -> dict[str, t.Any]:
    (made,) = results()["images"]
    return t.cast("dict[str, t.Any]", made)


@pytest.fixture(scope="module")
def guest() -> Host:
    """The image, booted."""
    told = results()["guest"]
    return testinfra.get_host(
        f"ssh://{told['user']}@{told['host']}:{told['port']}",
        ssh_identity_file=told["private_key_file"],
        ssh_extra_args=told["ssh_common_args"],
    )


@pytest.fixture(scope="module")
def record(result: dict[str, t.Any]) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(Path(result["record"]).read_text()))


@pytest.fixture(scope="module")
def image(result: dict[str, t.Any]) -> Iterator[Host]:
    with mounted(Path(result["image"]["path"])) as root:
        yield testinfra.get_host(str(root), connection="chroot")


def test_package_is_installed(image: Host) -> None:
    assert image.package("goldsmith-hello").is_installed
    assert image.package("goldsmith-hello-common").is_installed


def test_package_lists_are_not_left(image: Host) -> None:
    assert image.check_output("find /var/lib/apt/lists /var/cache/apt/archives -type f -size +0") == ""


def test_timers_of_unattended_upgrades_are_masked(image: Host) -> None:
    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        assert image.file(f"/etc/systemd/system/{unit}").linked_to == "/dev/null"


def test_user_has_key_and_sudo(image: Host) -> None:
    ops = image.user("ops")
    assert ops.exists
    assert ops.home == "/home/ops"
    keys = image.file("/home/ops/.ssh/authorized_keys")
    assert keys.contains(KEY)
    assert (keys.mode, keys.user, keys.group) == (0o600, "ops", "ops")
    assert image.file("/home/ops/.ssh").mode == 0o700
    assert "NOPASSWD" in image.check_output("cat /etc/sudoers.d/*")


def test_root_has_the_injected_key(image: Host) -> None:
    assert image.file("/root/.ssh/authorized_keys").contains(KEY)


def test_uploaded_file(image: Host) -> None:
    banner = image.file("/etc/banner")
    assert banner.content_string == "Put here by Molecule.\n"
    assert (banner.mode, banner.user, banner.group) == (0o600, "root", "root")


def test_unit_is_enabled(image: Host) -> None:
    assert image.file("/etc/systemd/system/multi-user.target.wants/marker.service").is_symlink


@pytest.mark.parametrize(
    "unit", ["auditd", "datadog-agent", "falcon-sensor", "goldsmith-firstboot", "prometheus-node-exporter"]
)
def test_services_of_presets_are_enabled_and_were_not_started(image: Host, unit: str) -> None:
    assert image.file(f"/etc/systemd/system/multi-user.target.wants/{unit}.service").is_symlink
    assert not image.file("/var/log/started").exists


def test_secrets_stand_where_agents_read_them_and_nowhere_else(image: Host, record: dict[str, t.Any]) -> None:
    for secret, path in {
        "molecule-api-key-secret": "/etc/datadog-agent/datadog.yaml",
        "MOLECULE-CID-SECRET-12": "/opt/CrowdStrike/falconstore",
    }.items():
        assert image.check_output("grep -rlsF %s /etc /opt /root /tmp /usr /var", secret).split() == [path]
        assert secret not in json.dumps(record)
    datadog = image.file("/etc/datadog-agent/datadog.yaml")
    assert (datadog.mode, datadog.user, datadog.group) == (0o640, "dd-agent", "dd-agent")
    assert "aid=" not in image.file("/opt/CrowdStrike/falconstore").content_string


def test_aide_waits_for_the_first_boot(image: Host) -> None:
    assert image.package("aide-common").is_installed
    assert not image.file("/var/lib/aide.db").exists
    assert "aideinit" in image.check_output("cat /var/lib/goldsmith/firstboot/*")


def test_kernel_and_command_line(image: Host) -> None:
    assert image.package("linux-image-virtual").is_installed
    for argument in ("audit=1", "audit_backlog_limit=8192"):
        assert argument in image.file("/etc/default/grub.d/91-goldsmith-preset-compliance.cfg").content_string


def test_ssh_server_has_its_settings_and_no_key(image: Host) -> None:
    settings = image.file("/etc/ssh/sshd_config.d/10-compliance.conf")
    assert settings.mode == 0o600
    assert settings.contains("^PermitRootLogin no$")
    assert not image.file("/run/sshd").exists


def test_hostname_timezone_and_command(image: Host) -> None:
    assert image.file("/etc/hostname").content_string.strip() == "molecule"
    assert image.file("/etc/localtime").linked_to == "/usr/share/zoneinfo/Europe/Oslo"
    assert image.file("/etc/molecule").content_string == "made\n"


def test_image_is_ready_to_clone(image: Host) -> None:
    machine_id = image.file("/etc/machine-id")
    assert machine_id.exists
    assert machine_id.size == 0
    assert not image.file("/var/lib/urandom/random-seed").exists
    assert not image.file("/var/lib/systemd/random-seed").exists
    assert image.check_output("find /etc/ssh -name 'ssh_host_*'") == ""


def test_nothing_of_the_build_is_left(image: Host) -> None:
    assert image.check_output("find /tmp /var/tmp -mindepth 1") == ""
    assert not image.file("/usr/sbin/policy-rc.d").exists
    assert not image.file("/.goldsmith").exists


def test_record_matches_the_file(result: dict[str, t.Any], record: dict[str, t.Any]) -> None:
    path = Path(result["image"]["path"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == result["image"]["digest"].partition(":")[2]
    assert path.stat().st_mode & 0o777 == 0o444
    current = Path(result["image"]["current"])
    assert current.is_symlink()
    assert current.resolve() == path
    assert result["image"]["digest"] in json.dumps(record)
    assert result["base"]["digest"] in json.dumps(record)
    assert result["base"]["proof"]["fingerprint"] in json.dumps(record)
    assert {"goldsmith-hello", "datadog-agent", "falcon-sensor", "aide-common"} <= set(result["packages_added"])


def test_image_holds_its_record_without_its_own_digest(image: Host, result: dict[str, t.Any]) -> None:
    (found,) = image.check_output(
        "find /usr/share/goldsmith /usr/lib/goldsmith /etc/goldsmith -name '*.json' || true"
    ).split()
    inside = image.file(found).content_string
    assert result["base"]["digest"] in inside
    assert result["image"]["digest"] not in inside


def test_image_has_not_drifted_from_its_record(
    result: dict[str, t.Any], record: dict[str, t.Any], tmp_path: Path
) -> None:
    defaults = {name: option.get("default") for name, option in info_argument_spec().items()}
    asked = {"path": result["image"]["path"], "gather": ["record", "drift"], "store": str(WORK / "store")}
    told = inspect_image(LocalHost(str(tmp_path)), {**defaults, **asked}, False)
    assert told["record"] == record
    assert told["drift"]["drifted"] is False, told["drift"]


@pytest.mark.parametrize(("suffix", "image_format"), [("vhdx", "vhdx"), ("img", "raw")])
def test_other_formats_hold_the_same_disk(result: dict[str, t.Any], suffix: str, image_format: str) -> None:
    image = Path(result["image"]["path"])
    made = image.with_suffix(f".{suffix}")
    subprocess.run(["qemu-img", "compare", "-f", "qcow2", "-F", image_format, image, made], check=True)
    subprocess.run(["sha256sum", "--check", "--strict", f"{made.name}.sha256"], cwd=made.parent, check=True)


def test_bills_of_materials_list_what_was_installed(result: dict[str, t.Any]) -> None:
    image = Path(result["image"]["path"])
    spdx = read_spdx(json.loads(image.with_suffix(".spdx.json").read_text()))
    cyclonedx = read_cyclonedx(json.loads(image.with_suffix(".cyclonedx.json").read_text()))
    assert "goldsmith-hello" in result["packages_added"]
    for listed in (spdx.packages, cyclonedx.components):
        assert result["packages_added"].items() <= {(package.name, package.version) for package in listed}


def test_guest_ended_its_first_boot(guest: Host) -> None:
    assert guest.check_output("cloud-init status").strip() == "status: done"
    assert guest.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_guest_runs_the_services_of_presets(guest: Host) -> None:
    for unit in ("auditd", "datadog-agent", "falcon-sensor", "prometheus-node-exporter"):
        assert guest.service(unit).is_enabled
        assert guest.service(unit).is_running


def test_guest_runs_the_kernel_that_was_chosen(guest: Host) -> None:
    command_line = guest.check_output("cat /proc/cmdline").split()
    assert {"audit=1", "audit_backlog_limit=8192"} <= set(command_line)
    assert f"BOOT_IMAGE=/vmlinuz-{KERNEL_VERSION}" in command_line


def test_guest_is_a_machine_of_its_own(guest: Host, result: dict[str, t.Any]) -> None:
    machine_id = guest.check_output("cat /etc/machine-id").strip()
    assert len(machine_id) == 32
    (boot,) = result["boot"]
    assert boot["machine_id"] not in ("", machine_id)
    keys = guest.check_output("for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -l -f $key; done")
    assert "SHA256:" in keys
    assert [key for key in boot["ssh_host_keys"] if key["fingerprint"] in keys] == []


def test_guest_does_not_start_what_was_turned_off(guest: Host) -> None:
    assert guest.check_output("systemctl is-enabled apt-daily.timer || true") == "masked"


def test_guest_sets_what_the_presets_want(guest: Host) -> None:
    assert guest.sysctl("kernel.randomize_va_space") == 2
    assert guest.check_output("hostname").startswith("goldsmith-boot")
