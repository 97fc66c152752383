# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells one machine from another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import cloud_init
from ..model import Context, Finding, Rule

_GENERATED_NETWORK = (
    *("/etc/netplan/50-cloud-init.yaml", "/etc/netplan/00-installer-config*.yaml"),
    "/etc/network/interfaces.d/50-cloud-init*",
)
_HOST_IDS = {
    ("/etc/nvme/hostnqn", "/etc/nvme/hostid"): "has the name of one machine's NVMe host",
    ("/var/lib/landscape/client/*broker.bpickle*",): "has what Landscape knows one machine by",
    (
        "/var/lib/ubuntu-advantage/private/*",
        "/var/lib/ubuntu-advantage/machine-id",
        "/etc/apt/auth.conf.d/90ubuntu-advantage",
    ): "has what Ubuntu Pro knows one machine by",
}
_GENERALISE = "Let the step generalise be the last of the recipe"


def _machine_id(context: Context) -> Iterator[Finding]:
    entry = context.by_path.get("/etc/machine-id")
    if entry is None:
        yield Finding("/etc/machine-id", "is missing, and systemd cannot make it where the root is read-only at first")
    elif entry.type != "file":
        yield Finding(entry.path, f"is a {entry.type}, and has to be an empty file")
    elif entry.size:
        yield Finding(entry.path, "is not empty")


def _dbus_machine_id(context: Context) -> Iterator[Finding]:
    entry = context.by_path.get("/var/lib/dbus/machine-id")
    if entry is not None and entry.type == "file" and entry.size:
        yield Finding(entry.path, "has an id of its own, and should be a link to /etc/machine-id")


def _ssh_host_keys(context: Context) -> Iterator[Finding]:
    for entry in context.matching(
        "/etc/ssh/ssh_host_*key", "/etc/dropbear/dropbear_*_host_key", types=("file", "link")
    ):
        if not context.put_in(entry.path):
            yield Finding(entry.path, "is a host key that all clones would have")


def _cloud_init(context: Context) -> Iterator[Finding]:
    patterns = ["/var/lib/cloud/instance", *(f"/var/lib/cloud/{state}/*" for state in ("instances", "data", "sem"))]
    # What it will not write again, clones need.
    if cloud_init.runs(context):
        patterns += ["/etc/ssh/sshd_config.d/50-cloud-init.conf", "/etc/sudoers.d/90-cloud-init-users"]
    if cloud_init.writes_network(context):
        patterns += _GENERATED_NETWORK
    for entry in context.matching(*patterns, types=("file", "link")):
        if not context.put_in(entry.path):
            yield Finding(entry.path, "is of a machine on which cloud-init ran")


def _cloud_init_seed(context: Context) -> Iterator[Finding]:
    for entry in context.matching("/var/lib/cloud/seed/*"):
        if not context.put_in(entry.path):
            yield Finding(entry.path, "would be the data of every clone")


def _dhcp_leases(context: Context) -> Iterator[Finding]:
    patterns = (
        *("/var/lib/dhcp/*lease*", "/var/lib/dhclient/*lease*", "/var/lib/dhcpcd*/*.lease*", "/var/lib/dhcpcd*/duid"),
        *("/var/lib/dhcpcd*/secret", "/etc/dhcpcd.duid", "/etc/dhcpcd.secret"),
        *("/var/lib/NetworkManager/*.lease", "/var/lib/systemd/network/*"),
    )
    for entry in context.matching(*patterns):
        if entry.size:
            yield Finding(entry.path, "has what a DHCP server gave to one machine")


def _random_seed(context: Context) -> Iterator[Finding]:
    patterns = ("/var/lib/*random-seed", "/var/lib/systemd/credential.secret", "/boot/*loader/random-seed")
    for entry in context.matching(*patterns):
        if entry.size:
            yield Finding(entry.path, "would be the same in all clones, and is good for one machine only")


def _network(context: Context) -> Iterator[Finding]:
    for entry in context.matching("/etc/udev/rules.d/*persistent-net.rules", "/etc/udev/rules.d/*persistent-cd.rules"):
        if not context.put_in(entry.path):
            yield Finding(entry.path, "names the network cards or drives of one machine")
    for entry in context.matching("/etc/NetworkManager/system-connections/*", "/etc/netplan/90-NM-*.yaml"):
        if not context.put_in(entry.path):
            yield Finding(entry.path, "is a connection of one machine, which may have a password")
    for entry in context.matching(*_GENERATED_NETWORK):
        named = re.search(r"^\s*[\"']?(macaddress|hwaddress)\b", context.text(entry.path), re.MULTILINE)
        if named and not context.put_in(entry.path):
            yield Finding(entry.path, "names the network card of one machine")


def _host_ids(context: Context) -> Iterator[Finding]:
    path = "/etc/iscsi/initiatorname.iscsi"
    generated = ("InitiatorName=iqn.1993-08.org.debian:01:", "InitiatorName=iqn.2004-10.com.ubuntu:01:")
    if not context.put_in(path) and any(line.startswith(generated) for line in context.text(path).splitlines()):
        yield Finding(path, "has the name of one machine's iSCSI initiator")
    for patterns, what in _HOST_IDS.items():
        for entry in context.matching(*patterns):
            if entry.size and not context.put_in(entry.path):
                yield Finding(entry.path, what)


RULES = (
    Rule(
        "machine_id",
        """
        `/etc/machine-id` is there and empty. Clones with one machine-id get one address from DHCP, and overwrite each
        other's journals where these are collected.
        """,
        _GENERALISE,
        _machine_id,
    ),
    Rule("dbus_machine_id", "`/var/lib/dbus/machine-id` has no id of its own.", _GENERALISE, _dbus_machine_id),
    Rule(
        "ssh_host_keys",
        """
        There are no SSH host keys. Clones that share them can pass for each other, and whoever has the image can pass
        for all of them. An upgrade of `openssh-server` makes keys in an image that had none.
        """,
        f"{_GENERALISE}. Dropbear's keys are taken out by a step delete",
        _ssh_host_keys,
    ),
    Rule(
        "cloud_init",
        """
        There is no state of `cloud-init`, and no file that it generated and will write again. With them a clone takes
        itself for the machine that it was cloned from, and may not be set up.
        """,
        _GENERALISE,
        _cloud_init,
    ),
    Rule(
        "cloud_init_seed",
        "There is no seed in `/var/lib/cloud/seed` but what the recipe put there by name: it counts in every clone.",
        _GENERALISE,
        _cloud_init_seed,
    ),
    Rule(
        "dhcp_leases",
        "There are no leases, and no identifiers of DHCP clients, by which clones would ask for one address.",
        _GENERALISE,
        _dhcp_leases,
    ),
    Rule(
        "random_seed",
        """
        There is no random seed: clones would start with the same randomness. `systemd-creds` has no secret yet. The one
        of `systemd-boot` is on the EFI system partition, which is not read.
        """,
        _GENERALISE,
        _random_seed,
    ),
    Rule(
        "network",
        """
        udev has written down no names of network cards or drives, NetworkManager has no connections, and what
        `cloud-init` or an installer wrote for netplan names no network card by its address.
        """,
        f"{_GENERALISE}. A file that it leaves, as cloud-init would not write it again, is corrected by a step edit",
        _network,
    ),
    Rule(
        "host_ids",
        """
        iSCSI and NVMe have no names of one machine, by which storage is given away, and Landscape and Ubuntu Pro no
        identity, whose token anybody may use.
        """,
        _GENERALISE,
        _host_ids,
    ),
)
