# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each preset promises holds in the test base image's userland, with small packages of the vendors' names."""

from __future__ import annotations

import re
import stat
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from ansible_collections.goldsmith.kvm.tests.fixtures.apt_repository import KERNEL_VERSION
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.server import serve
from ansible_collections.goldsmith.kvm.tests.fixtures.vendor_packages import AGENT_ID, STARTED
from tests.tools import setup
from tests.tools.sanity import OLDEST_VENV

from .chroot import Chroot
from .presets import API_KEY, CID, PRESETS, ROLE, TOKEN, Vendors, preset_steps, with_paths

pytestmark = pytest.mark.slow

Apply = Callable[..., Chroot]

_SSHD = "/usr/sbin/sshd -T -h /root/key"


@pytest.fixture(name="vendors", scope="module")
def fixture_vendors(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Vendors]:
    tree = tmp_path_factory.mktemp("vendors")
    with serve(tree) as server:
        yield Vendors.write(tree, server.url, keys)


@pytest.fixture(name="apply")
def fixture_apply(vendors: Vendors, lower: dict[str, Path], tmp_path: Path) -> Iterator[Apply]:
    """Carries a preset out; what it wrote lies in ``tmp_path/*.upper``."""
    with Chroot.over(lower, tmp_path) as chroot:

        def apply(preset: str, variables: Mapping[str, t.Any] | None = None) -> Chroot:
            steps = [step for step in preset_steps([preset], variables) if for_ubuntu(step)]
            chroot.apply([vendors.distribution, *with_paths(steps)])
            return chroot

        yield apply
        assert not (chroot.root / STARTED.lstrip("/")).exists()


def for_ubuntu(step: Mapping[str, t.Any]) -> bool:
    return "condition" not in step or "ubuntu" in step["condition"]["distribution"]


def written(tmp_path: Path) -> set[str]:
    """Paths in the image of the files that steps made or changed."""
    upper = tmp_path / "rootfs.upper"
    return {str(path.relative_to(upper)) for path in upper.rglob("*") if path.is_file() and not path.is_symlink()}


def holding(tmp_path: Path, secret: str) -> set[str]:
    """Files with this text in them."""
    upper = tmp_path / "rootfs.upper"
    return {name for name in written(tmp_path) if secret.encode() in (upper / name).read_bytes()}


def installed(root: Path) -> set[str]:
    stanzas = (root / "var/lib/dpkg/status").read_text().split("\n\n")
    return {stanza.split()[1] for stanza in stanzas if "Status: install ok installed" in stanza}


def enabled(root: Path, unit: str, target: str = "multi-user.target") -> bool:
    return (root / f"etc/systemd/system/{target}.wants/{unit}").is_symlink()


def owner(root: Path, path: str) -> tuple[str, str, str]:
    """Mode, user and group of a file, by the names that the image has for them."""
    found = (root / path).stat()
    users, groups = (
        {int(line.split(":")[2]): line.split(":")[0] for line in (root / "etc" / name).read_text().splitlines()}
        for name in ("passwd", "group")
    )
    return f"{stat.S_IMODE(found.st_mode):04o}", users[found.st_uid], groups[found.st_gid]


def test_base(apply: Apply, tmp_path: Path) -> None:
    root = apply("base").root
    assert "qemu-guest-agent" in installed(root)
    assert enabled(root, "qemu-guest-agent.service", "dev-virtio\\x2dports-org.qemu.guest_agent.0.device")
    for unit in ("unattended-upgrades.service", "apt-daily.timer", "apt-daily-upgrade.timer"):
        assert (root / "etc/systemd/system" / unit).readlink() == Path("/dev/null")
    touched = sorted(name for name in written(tmp_path) if "cloud" in name)
    assert touched == []


def test_agents_without_vendors(apply: Apply) -> None:
    root = apply("agents", {"golden_image_node_exporter_arguments": ["--collector.systemd"]}).root
    assert "prometheus-node-exporter" in installed(root)
    assert enabled(root, "prometheus-node-exporter.service")
    arguments = (root / "etc/default/prometheus-node-exporter").read_text().splitlines()[-1]
    assert arguments == 'ARGS="--web.listen-address=:9100 --collector.systemd"'
    assert not {"datadog-agent", "falcon-sensor"} & installed(root)
    assert not (root / "etc/apt/sources.list.d/datadog.sources").exists()


def test_agents(apply: Apply, vendors: Vendors, tmp_path: Path) -> None:
    chroot = apply("agents", vendors.agents())
    root = chroot.root
    assert {"prometheus-node-exporter", "datadog-agent", "falcon-sensor", "goldsmith-hello-common"} <= installed(root)
    for unit in ("prometheus-node-exporter.service", "datadog-agent.service", "falcon-sensor.service"):
        assert enabled(root, unit)

    assert holding(tmp_path, API_KEY) == {"etc/datadog-agent/datadog.yaml"}
    assert owner(root, "etc/datadog-agent/datadog.yaml") == ("0640", "dd-agent", "dd-agent")
    assert yaml.safe_load((root / "etc/datadog-agent/datadog.yaml").read_text()) == {
        "api_key": API_KEY,
        "site": "datadoghq.eu",
        "tags": ["env:test", "it's: quoted"],
    }
    sources = (root / "etc/apt/sources.list.d/datadog.sources").read_text()
    assert re.search(r"^Signed-By: \S", sources, re.MULTILINE)
    assert re.search(r"^Components: 7$", sources, re.MULTILINE)

    assert (root / "opt/CrowdStrike/falconstore").read_text() == f"cid={CID}\n"
    assert holding(tmp_path, CID) == {"opt/CrowdStrike/falconstore"}
    assert holding(tmp_path, f"aid={AGENT_ID}") == {"var/lib/dpkg/info/falcon-sensor.postinst"}
    assert not any(secret in line for line in chroot.output for secret in (API_KEY, CID))


def test_falcon_with_a_token(apply: Apply, vendors: Vendors, tmp_path: Path) -> None:
    falcon = {name: value for name, value in vendors.agents().items() if "falcon" in name}
    root = apply("agents", {**falcon, "golden_image_falcon_provisioning_token": TOKEN}).root
    assert (root / "opt/CrowdStrike/falconstore").read_text() == f"cid={CID}\ntoken={TOKEN}\n"
    assert holding(tmp_path, TOKEN) == {"opt/CrowdStrike/falconstore"}
    assert "datadog-agent" not in installed(root)


def test_a_sensor_that_runs_stops_the_build(apply: Apply, vendors: Vendors) -> None:
    falcon = {name: value for name, value in vendors.agents().items() if "falcon" in name}
    (check,) = [step for step in preset_steps(["agents"], falcon) if "Falcon's CID" in step.get("name", "")]
    command = f"cp /bin/sleep /tmp/falcond\n/tmp/falcond 60 &\nsleep 0.2\n{check['run_command']['command']}"
    with pytest.raises(AssertionError, match="the Falcon sensor runs in the appliance"):
        apply("base").apply([{"run_command": {**check["run_command"], "command": command}}])


def test_datadog_without_its_api_key(apply: Apply, vendors: Vendors) -> None:
    datadog = {name: value for name, value in vendors.agents().items() if "datadog" in name}
    root = apply("agents", {**datadog, "golden_image_datadog_api_key": ""}).root
    assert "datadog-agent" in installed(root)
    assert not (root / "etc/datadog-agent/datadog.yaml").exists()


def test_compliance(apply: Apply, tmp_path: Path) -> None:
    site = {"net.ipv4.ip_forward": 1}
    chroot = apply("compliance", {"golden_image_sysctl_settings": site, "golden_image_banner": "Keep out.\n"})
    root = chroot.root
    assert {"auditd", "audispd-plugins", "aide", "aide-common", "lynis"} <= installed(root)
    assert enabled(root, "auditd.service")
    assert enabled(root, "dailyaidecheck.timer", "timers.target")
    for name in ("12-cont-fail", "50-compliance", "60-privileged", "99-finalize"):
        assert owner(root, f"etc/audit/rules.d/{name}.rules") == ("0640", "root", "root")

    assert not (root / "var/lib/aide.db").exists()
    (script,) = (root / "var/lib/goldsmith/firstboot").iterdir()
    assert "aideinit --yes --force" in script.read_text()

    for name in ("etc/issue", "etc/issue.net"):
        assert (root / name).read_text() == "Keep out.\n"
        assert owner(root, name) == ("0644", "root", "root")
    assert (root / "etc/sysctl.d/96-compliance-site.conf").read_text() == "net.ipv4.ip_forward = 1\n"
    assert "net.ipv4.ip_forward = 0\n" in (root / "etc/sysctl.d/95-compliance.conf").read_text()
    # augenrules joins the files by name; `-c` counts for the rules that come after it.
    rules = sorted((root / "etc/audit/rules.d").glob("[0-9]*.rules"))
    joined = [line for path in rules for line in path.read_text().splitlines() if line[:1] == "-"]
    assert (joined[0], joined[-1]) == ("-c", "-e 2")
    assert {"audit=1", "audit_backlog_limit=8192", "console=ttyS0"} <= set(booted(root))
    assert not any(name.startswith(("etc/cloud/", "tmp/", "run/")) for name in written(tmp_path))
    assert list(root.glob("etc/ssh/ssh_host_*")) == []
    assert list(root.glob("run/sshd")) == []


def booted(root: Path) -> list[str]:
    """What GRUB's first entry boots: the kernel and its arguments."""
    line = re.search(r"^\s*linux\s+(.*)$", (root / "boot/grub/grub.cfg").read_text(), re.MULTILINE)
    assert line
    return line[1].split()


def test_kernel(apply: Apply) -> None:
    root = apply("kernel", {"golden_image_kernel_cmdline": ["console=ttyS1", "mitigations=auto"]}).root
    assert "linux-image-virtual" in installed(root)
    assert [path.name for path in (root / "boot").glob("vmlinuz-*")] == [f"vmlinuz-{KERNEL_VERSION}"]
    kernel, *arguments = booted(root)
    assert kernel.endswith(f"/vmlinuz-{KERNEL_VERSION}")
    assert [argument for argument in arguments if argument.startswith("console=")] == ["console=ttyS1"]
    assert "mitigations=auto" in arguments


def test_kernel_of_another_flavour_beside_the_others(apply: Apply) -> None:
    given = {"golden_image_kernel": "linux-goldsmith", "golden_image_kernel_remove_others": False}
    root = apply("kernel", given).root
    assert "linux-goldsmith" in installed(root)
    assert len(list((root / "boot").glob("vmlinuz-*"))) == 2
    assert [argument for argument in booted(root) if argument.startswith("console=")] == [
        "console=tty1",
        "console=ttyS0",
    ]


def test_the_image_s_sysctl_filters_strictly_on_every_interface(apply: Apply) -> None:
    chroot = apply("compliance")
    (chroot.root / "usr/lib/sysctl.d/50-default.conf").write_text("net.ipv4.conf.*.rp_filter = 2\n")
    chroot.apply([{"run_command": {"command": "sysctl --dry-run --system 2>&1"}}])
    said = [line for line in chroot.output[-1].splitlines() if line.startswith("net.ipv4.conf.lo.rp_filter")]
    assert said[-1:] == ["net.ipv4.conf.lo.rp_filter = 1"]


def test_ssh_server_takes_what_compliance_sets(apply: Apply) -> None:
    chroot = apply("compliance")
    dumped = "mkdir -p /run/sshd\nssh-keygen -q -t ed25519 -N '' -f /root/key\n"
    chroot.apply([{"run_command": {"command": f"{dumped}{_SSHD}"}}])
    effective = dict(line.split(" ", 1) for line in chroot.output[-1].splitlines() if " " in line)
    for line in (ROLE / "files/compliance/sshd.conf").read_text().splitlines():
        name, dummy, value = line.partition(" ")
        if name in ("Ciphers", "KexAlgorithms", "MACs"):
            left_out = set(value.lstrip("-").split(","))
            assert left_out.isdisjoint(effective[name.lower()].split(","))
        elif not name.startswith("#"):
            # sshd says the grace time in seconds, and the level in capitals, as they are written here.
            assert effective[name.lower()] == value


def test_privileged_commands_are_those_of_the_image(apply: Apply) -> None:
    root = apply("compliance").root
    rules = (root / "etc/audit/rules.d/60-privileged.rules").read_text()
    paths = re.findall(
        r"^-a always,exit -F path=(\S+) -F perm=x -F auid>=1000 -F auid!=unset -k privileged$", rules, re.M
    )
    assert paths == sorted(paths)
    assert {"/usr/bin/sudo", "/usr/bin/passwd"} <= set(paths)
    for path in paths:
        assert (root / path.lstrip("/")).stat().st_mode & 0o6000


def test_ssh_server_that_does_not_take_its_configuration_stops_the_build(apply: Apply, tmp_path: Path) -> None:
    config = tmp_path / "sshd.conf"
    config.write_text("PermitRootLogin perhaps\n")
    with pytest.raises(AssertionError, match='unsupported option "perhaps"'):
        apply("compliance", {"golden_image_sshd_config_src": str(config)})


def test_audit_rules_are_as_auditctl_reads_them() -> None:
    watch = r"-w (?P<watched>/[a-z./]+[a-z]) -p wa -k [A-Za-z_-]+"
    field = r"-[FC] [a-z0-9]+(?:=|!=|>=)[A-Za-z0-9_./-]+"
    rule = rf"-a always,exit(?: {field})*(?: -S [a-z_]+(?:,[a-z_]+)*)?(?: {field})* -k [A-Za-z_-]+"
    lines = (ROLE / "files/compliance/audit.rules").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in rules if not re.fullmatch(f"{watch}|{rule}", line)] == []
    assert len(rules) == len(set(rules))
    # Without its architecture, auditctl takes the numbers of system calls for those of the kernel's own.
    assert [line for line in rules if " -S " in line and " -F arch=b" not in line] == []


def test_every_item_that_the_documentation_names_is_answered() -> None:
    """Items are named beside what answers them; ranges of the documentation are counted out."""
    text = "".join(path.read_text() for path in (ROLE / "presets/compliance.yml", *ROLE.glob("files/compliance/*")))
    table = (ROLE.parents[1] / "docs/presets.md").read_text().partition("| what | items |")[2].partition("\n\n")[0]
    named = re.findall(r"(\d+(?:\.\d+)+)(?: to (\d+(?:\.\d+)+))?", table)
    assert len(named) > 10
    for first, last in named:
        room, dummy, number = first.rpartition(".")
        for item in range(int(number), int((last or first).rpartition(".")[2]) + 1):
            assert re.search(rf"(?<![\d.]){re.escape(room)}\.{item}(?![\d.]*\d)", text), f"{room}.{item}"


def test_the_oldest_ansible_reads_the_same_steps(vendors: Vendors) -> None:
    setup.make_virtualenv(OLDEST_VENV, "oldest")
    oldest = OLDEST_VENV / "bin" / "ansible-playbook"
    assert preset_steps(PRESETS, vendors.agents(), oldest) == preset_steps(PRESETS, vendors.agents())
