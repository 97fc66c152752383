# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

from . import Place

DIRECTORY = "/srv/promises/generalise"

TRACES = (
    "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    "var/lib/cloud/instances/i-1/sem/config_ssh",
    "var/lib/cloud/data/instance-id",
    "var/lib/cloud/seed/nocloud/meta-data",
    "var/log/cloud-init.log",
    "var/log/cloud-init-output.log",
    "etc/netplan/50-cloud-init.yaml",
    "etc/ssh/sshd_config.d/50-cloud-init.conf",
    "etc/sudoers.d/90-cloud-init-users",
    "var/lib/apt/lists/deb.example.com_dists_stable_InRelease",
    "var/lib/apt/lists/partial/half",
    "var/cache/apt/pkgcache.bin",
    "var/cache/apt/archives/curl_1_amd64.deb",
    "var/cache/apt/archives/partial/curl_2_amd64.deb",
    "var/log/journal/0123456789abcdef0123456789abcdef/system.journal",
    "var/log/auth.log.1",
    "var/log/dpkg.log.2.gz",
    "var/log/installer/syslog",
    "root/.bash_history",
    "root/.python_history",
    "root/.lesshst",
    "root/.histfile",
    "root/.ansible/tmp/x",
    "root/.ansible/cp/x",
    "root/.ssh/id_ed25519",
    "home/gone/.ssh/id_rsa.pub",
    "home/gone/.zsh_history",
    "home/a b'c/.bash_history",
    "var/lib/dhcp/dhclient.leases",
    "var/lib/dhcp/dhclient.eth0.leases",
    "var/lib/dhcpcd/eth0.lease",
    "var/lib/dhcpcd/duid",
    "var/lib/NetworkManager/internal-1-eth0.lease",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "boot/efi/loader/random-seed",
    "etc/dhcpcd.duid",
    "etc/udev/rules.d/70-persistent-net.rules",
    "etc/netplan/00-installer-config.yaml",
    "etc/netplan/90-NM-1.yaml",
    "etc/NetworkManager/system-connections/Office.nmconnection",
    "etc/nvme/hostnqn",
    "etc/apt/auth.conf.d/90ubuntu-advantage",
    "etc/apt/sources.list.d/ubuntu-esm-infra.sources",
    "var/lib/ubuntu-advantage/private/machine-token.json",
    "var/lib/landscape/client/broker.bpickle",
    "etc/krb5.keytab",
    "etc/puppetlabs/puppet/ssl/private_keys/a.pem",
    "etc/puppetlabs/puppet/ssl/certs/a.pem",
    "etc/ssl/private/ssl-cert-snakeoil.key",
    "var/lib/samba/private/secrets.tdb",
    "var/lib/sss/db/cache_example.com.ldb",
    "tmp/.hidden/file",
    "tmp/- \n'",
    "var/tmp/file",
    "var/crash/_usr_bin_x.crash",
    "etc/shadow-",
    "var/backups/dpkg.status.0",
    "var/lib/dpkg/status-old",
    "var/mail/root",
    "var/lib/systemd/timers/stamp-apt-daily.timer",
)
"""What has to go."""

KEPT = (
    "var/lib/cloud/handlers/mine",
    "etc/iscsi/other",
    "home/a b'c/notes",
    "root/.a-history/notes",
    "root/.ansible/collections/x",
    "root/.ssh/known_hosts",
    "etc/puppetlabs/puppet/ssl/certs/ca.pem",
    "var/lib/dbus/other",
)
"""What looks like it, and is not."""

LOGS = ("var/log/dpkg.log", "var/log/promise/-s")
ISCSI = "etc/iscsi/initiatorname.iscsi"


def steps(place: Place) -> list[dict[str, t.Any]]:
    paths = "".join(f"{path}\0" for path in (*TRACES, *KEPT, *LOGS))
    # What other steps leave counts as little as what a base has that was booted.
    script = f"""\
cd /
xargs -0 -n 1 sh -c 'mkdir -p "${{1%/*}}" && echo trace >"$1"' - <{DIRECTORY}/paths
chown www-data:adm var/log/promise/-s
chmod 0640 var/log/promise/-s
chmod 2755 var/log/journal
echo 0123456789abcdef0123456789abcdef >etc/machine-id
chmod 0444 etc/machine-id
mkdir -p var/lib/dbus
rm -f var/lib/dbus/machine-id
cp etc/machine-id var/lib/dbus/machine-id
printf '# do not edit\\nInitiatorName=iqn.1993-08.org.debian:01:5c1a3f\\n' >{ISCSI}
printf '%s\\n' 'Types: deb' 'URIs: https://esm.ubuntu.com/infra/ubuntu' 'Suites: x' 'Components: main' 'Enabled: no' \\
  >etc/apt/sources.list.d/ubuntu-esm-infra.sources
printf '#!/bin/sh\\n: >/etc/ssl/private/ssl-cert-snakeoil.key\\n' >usr/sbin/make-ssl-cert
chmod 0755 usr/sbin/make-ssl-cert
printf 'ops:1000:1:old\\n' >etc/security/opasswd
printf '#!/bin/sh\\necho hook >{DIRECTORY}/hook\\n' >etc/cloud/clean.d/90-promise
chmod 0755 etc/cloud/clean.d/90-promise
rm {DIRECTORY}/paths
"""
    return [
        {"mkdir": {"path": DIRECTORY}},
        {"upload": {"src": place.file("generalise/paths", paths), "dest": f"{DIRECTORY}/paths"}},
        {"run_command": {"command": script, "network": False}},
        {"generalise": {}},
    ]


def check(root: Path) -> None:
    assert [path for path in TRACES if os.path.lexists(root / path)] == []
    for path in KEPT:
        assert (root / path).read_text() == "trace\n", path
    for path in LOGS:
        assert (root / path).read_text() == "", path
    log = (root / LOGS[1]).stat()
    assert (stat.S_IMODE(log.st_mode), log.st_uid) == (0o640, 33)
    assert [path for path in (root / "var/log").rglob("*") if path.is_file() and path.stat().st_size] == []
    machine_id = root / "etc/machine-id"
    assert (machine_id.read_text(), machine_id.is_symlink()) == ("", False)
    assert stat.S_IMODE(machine_id.stat().st_mode) == 0o444
    assert os.readlink(root / "var/lib/dbus/machine-id") == "/etc/machine-id"
    for name, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("var/log/journal", 0o2755)):
        assert list((root / name).iterdir()) == []
        assert stat.S_IMODE((root / name).stat().st_mode) == mode
    assert (root / ISCSI).read_text() == "# do not edit\nGenerateName=yes\n"
    assert (root / DIRECTORY[1:] / "hook").read_text() == "hook\n"
    assert os.readlink(root / "etc/resolv.conf") == "../run/systemd/resolve/stub-resolv.conf"
    assert (root / "etc/security/opasswd").read_text() == ""
    units = root / "etc/systemd/system"
    for unit, target in (("ssh-host-keys", "multi-user"), ("snakeoil", "sysinit")):
        wanted = units / f"{target}.target.wants/goldsmith-{unit}.service"
        assert os.readlink(wanted) == f"/etc/systemd/system/goldsmith-{unit}.service"
