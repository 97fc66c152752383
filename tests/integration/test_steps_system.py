# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps for the system's own settings that are not as they should be, and what the image's own tools make of others."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.integration.chroot import Chroot, StepFailedError
from ansible_collections.goldsmith.kvm.tests.integration.promises.cloud_config import datasources

pytestmark = pytest.mark.slow

SERVICE = "[Service]\nType=oneshot\nExecStart=/bin/true\n"


@pytest.fixture(name="chroot")
def fixture_chroot(lower: dict[str, Path], tmp_path: Path) -> Iterator[Chroot]:
    with Chroot.over(lower, tmp_path / "chroot") as chroot:
        yield chroot


def run(chroot: Chroot, command: str) -> str:
    chroot.apply([{"run_command": {"command": command}}])
    return chroot.output[-1]


@pytest.mark.parametrize(
    ("before", "step", "said"),
    [
        (
            "",
            {"user": {"name": "ops", "groups": ["nobody-here"]}},
            "the group nobody-here of the user ops does not exist in the image\nmake it by a step group before",
        ),
        ("", {"user": {"name": "ops", "group": "nobody-here"}}, "the group nobody-here of the user ops does not exist"),
        ("rm -r /etc/sudoers.d", {"user": {"name": "ops", "sudo": "nopasswd"}}, "sudo is not installed in the image"),
        ("", {"user": {"name": "ops", "uid": 0}}, "UID 0 is not unique"),
        ("", {"group": {"name": "ops", "gid": 0}}, "GID '0' already exists"),
        (
            "",
            {"systemd_unit": {"name": "nothere.service", "enabled": True}},
            "the unit nothere.service cannot be enabled\n",
        ),
        (
            "",
            {"systemd_unit": {"name": "a.service", "content": SERVICE, "enabled": True}},
            "the unit a.service has no section [Install], so that enabling it does nothing\n",
        ),
        (
            "",
            {"systemd_unit": {"name": "a.service", "content": SERVICE, "enabled": True, "scope": "user"}},
            "the unit a.service has no section [Install]",
        ),
        (
            "SYSTEMD_OFFLINE=1 systemctl mask cron.service",
            {"systemd_unit": {"name": "cron.service", "enabled": True}},
            "the unit cron.service is masked in the image, so that it cannot be enabled\nunmask it by masked: false",
        ),
        (
            "SYSTEMD_OFFLINE=1 systemctl --global mask dbus.socket",
            {"systemd_unit": {"name": "dbus.socket", "enabled": True, "scope": "user"}},
            "the unit dbus.socket is masked in the image",
        ),
        ("", {"locale": {"name": "en_UK.UTF-8"}}, "the image knows no locale en_UK.UTF-8"),
        ("", {"locale": {"name": "en_UK.UTF-8"}}, " en_GB.UTF-8 "),
        ("", {"locale": {"generate": ["de.UTF-8"]}}, "de_DE.UTF-8"),
        (
            "rm /usr/share/i18n/SUPPORTED",
            {"locale": {"name": "en_US.UTF-8"}},
            "the image has no list of locales: install the package locales by a step packages before this one\n",
        ),
        (
            "rm /lib/systemd/systemd-timesyncd",
            {"ntp": {"servers": ["ntp.example.com"]}},
            "the image has neither chrony nor systemd-timesyncd: install one by a step packages before this one\n",
        ),
        (
            "ln -s /bin/true /usr/sbin/chronyd",
            {"ntp": {"fallback": ["ntp.example.com"]}},
            "the image has chrony, which knows no fallback servers: leave out fallback\n",
        ),
        (
            "rm -r /etc/cloud",
            {"cloud_config": {"name": "95-x", "config": {"a": 1}}},
            "cloud-init is not installed in the image: install it by a step packages before this one\n",
        ),
        (
            "",
            {"cloud_config": {"name": "95-x", "content": "a: 1\nb: ]\n"}},
            "cloud-init could not read this configuration: it is no YAML in line 2, column 4",
        ),
        (
            "",
            {"cloud_config": {"name": "95-x", "content": "- a\n"}},
            "cloud-init could not read this configuration: it has to be a dictionary of YAML\n",
        ),
        (
            "",
            {"cloud_config": {"name": "95-x", "content": "datasource_list:\n  - NoCloud\n  - None\n"}},
            "reads single lines, would not find this datasource_list\nwrite it on one line, without a comment, such as",
        ),
        (
            "",
            {"cloud_config": {"name": "95-x", "content": '"datasource_list": [NoCloud, None]\n'}},
            "reads single lines, would not find this datasource_list\nwrite it on one line, without a comment, such as",
        ),
        (
            "",
            {"cloud_config": {"name": "95-x", "content": "datasource_list: [NoCloud,\n  None]\n"}},
            "reads single lines, would not find this datasource_list\nwrite it on one line, without a comment, such as",
        ),
        (
            "",
            {"cloud_config": {"name": "95-x", "content": "datasource_list: [NoCloud, None]  # here\n"}},
            "reads single lines, would not find this datasource_list\nwrite it on one line, without a comment, such as",
        ),
        (
            "",
            {"cloud_config": {"name": "95-x", "content": "{datasource_list: [NoCloud, None]}\n"}},
            "reads single lines, would not find this datasource_list\nwrite it on one line, without a comment, such as",
        ),
        (
            "rm /usr/sbin/netplan",
            {"netplan": {"name": "60-x", "content": "network: {}"}},
            "the image has no netplan: install the package netplan.io by a step packages before this one\n",
        ),
        (
            "",
            {"netplan": {"name": "60-x", "content": "network:\n  ethernets:\n    x: {dhcp5: true}\n"}},
            "/etc/netplan/60-x.yaml:3:9: Error in network definition: unknown key 'dhcp5'\n",
        ),
        (
            "",
            {"netplan": {"name": "60-x", "config": {"network": {"ethernets": {"x": {"mtu": "large"}}}}}},
            "netplan does not take this configuration together with what is in /etc/netplan:\n",
        ),
    ],
)
def test_what_cannot_be_done_is_said(chroot: Chroot, before: str, step: dict[str, t.Any], said: str) -> None:
    run(chroot, before or ":")
    with pytest.raises(StepFailedError) as caught:
        chroot.apply([step])
    assert said in str(caught.value)
    assert "/.goldsmith" not in str(caught.value)


# As the package cloud-init of Debian and Ubuntu writes it.
DPKG = "datasource_list: [ NoCloud, ConfigDrive, OpenStack, Ec2, None ]\n"


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ({"datasource_list": ["NoCloud", "None"]}, ["NoCloud", "None"]),
        ({"config": {"datasource_list": ["OpenStack"]}}, ["OpenStack", "None"]),
        ({"content": "a: 1\ndatasource_list: ['NoCloud', \"None\"]"}, ["NoCloud", "None"]),
        ({"content": "datasource_list: [ Ec2 ]\n"}, ["Ec2", "None"]),
    ],
)
def test_cloud_init_looks_only_where_it_is_told_to(
    chroot: Chroot, options: dict[str, t.Any], listed: list[str]
) -> None:
    (chroot.root / "etc/cloud/cloud.cfg.d/90_dpkg.cfg").write_text(DPKG)
    chroot.apply([{"cloud_config": {"name": "95-x", **options}}])
    assert datasources(chroot.root) == listed


def test_cloud_init_finds_the_data_that_the_image_itself_has(chroot: Chroot) -> None:
    (chroot.root / "etc/cloud/cloud.cfg.d/90_dpkg.cfg").write_text(DPKG)
    seed = {"user-data": "#cloud-config\n{}", "meta-data": {"instance-id": "a"}}
    chroot.apply([{"cloud_config": {"name": "95-x", "config": {"datasource": {"NoCloud": seed}}}}])
    assert datasources(chroot.root)[0] == "NoCloud"


def test_nothing_of_the_trial_by_netplan_stays(chroot: Chroot) -> None:
    run(chroot, "touch /srv/before; sleep 0.1")
    ethernets = {"x": {"match": {"name": "x0"}, "dhcp4": True}}
    chroot.apply([{"netplan": {"name": "60-x", "config": {"network": {"version": 2, "ethernets": ethernets}}}}])
    new = run(chroot, "find /etc /run /tmp /usr/lib /usr/share /var -newer /srv/before -type f")
    assert new.splitlines() == ["/etc/netplan/60-x.yaml"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_locale_is_generated_and_everything_else_stays(chroot: Chroot, linked: bool) -> None:
    file = "/etc/default/locale"
    if linked:
        run(chroot, "mv /etc/default/locale /etc/locale.conf\nln -s ../locale.conf /etc/default/locale")
        file = "/etc/locale.conf"
    run(
        chroot,
        f"printf 'LC_TIME=C\\nLC_ALL=C\\nLANG=C\\n' >{file}\nprintf '# de_DE@euro ISO-8859-15\\n' >/etc/locale.gen",
    )
    chroot.apply([{"locale": {"name": "de_DE@euro"}}, {"locale": {"generate": ["de_DE@euro", "C.UTF-8"]}}])
    assert (chroot.root / file[1:]).read_text() == "LC_TIME=C\nLANG=de_DE@euro\n"
    assert (chroot.root / "etc/default/locale").is_symlink() == linked
    assert (chroot.root / "etc/locale.gen").read_text() == "# de_DE@euro ISO-8859-15\nde_DE@euro ISO-8859-15\n"
    assert run(chroot, "unset LC_ALL; . /etc/default/locale; export LANG; locale charmap") == "ISO-8859-15\n"


def test_settings_are_what_sysctl_reads(chroot: Chroot) -> None:
    settings = {"vm.swappiness": 1, "kernel.printk": "4 4 1 7", "net/ipv4/conf/lo/rp_filter": "0"}
    chroot.apply([{"sysctl": {"name": "98-x", "settings": settings}}])
    said = run(chroot, "sysctl --dry-run --load=/etc/sysctl.d/98-x.conf 2>&1")
    for line in ("vm.swappiness = 1", "kernel.printk = 4 4 1 7", "net.ipv4.conf.lo.rp_filter = 0"):
        assert line in said.splitlines()


def test_initial_ram_disks_are_made_again_where_they_hold_what_changed(chroot: Chroot) -> None:
    run(chroot, "printf '#!/bin/sh\\necho made $*\\n' >/usr/local/sbin/update-initramfs; chmod +x /usr/local/sbin/*")
    made = "made -u -k all\n"
    for options, expected in [
        ({"load": ["loop"]}, ""),
        ({"load": ["loop"], "update_initramfs": True}, made),
        ({"disable": ["cramfs"]}, made),
        ({"options": {"loop": "max_loop=9"}}, made),
        ({"blacklist": ["cramfs"], "update_initramfs": False}, ""),
    ]:
        chroot.apply([{"kernel_modules": {"name": "x", **options}}])
        assert chroot.output[-1] == expected


def test_servers_of_chrony_take_the_place_of_its_own(chroot: Chroot) -> None:
    """chrony is not in the base; its files are as its packages in Debian and Ubuntu have them."""
    run(chroot, "ln -s /bin/true /usr/sbin/chronyd\nmkdir -p /etc/chrony/sources.d")
    for path, text in {
        "etc/chrony/chrony.conf": "pool 2.debian.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\nkeyfile x\n",
        "etc/chrony/sources.d/ubuntu.sources": "pool ntp.ubuntu.com iburst maxsources 4\n",
        "lib/systemd/system/chrony.service": f"{SERVICE}[Install]\nWantedBy=multi-user.target\n",
    }.items():
        (chroot.root / path).write_text(text)
    ntp = {"servers": ["ntp.example.com", "2001:db8::1"], "pools": ["pool.example.com"]}
    chroot.apply([{"ntp": {"servers": ["old.example.com"]}}, {"ntp": ntp}])
    directory = chroot.root / "etc/chrony"
    assert (directory / "chrony.conf").read_text() == (
        "#pool 2.debian.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\nkeyfile x\nsourcedir /etc/chrony/sources.d\n"
    )
    assert (directory / "sources.d/ubuntu.sources").read_text() == "#pool ntp.ubuntu.com iburst maxsources 4\n"
    assert (directory / "sources.d/goldsmith.sources").read_text() == (
        "server ntp.example.com iburst\nserver 2001:db8::1 iburst\npool pool.example.com iburst\n"
    )
    assert (chroot.root / "etc/systemd/system/multi-user.target.wants/chrony.service").is_symlink()
