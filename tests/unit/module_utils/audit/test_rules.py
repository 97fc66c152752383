# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule on an image that breaks it, and on images that only look like it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import ALWAYS, Context, Disk, Expected, Hit
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.registry import RULES
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.report import audit
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.generalise_scripts import GROUPS

from .memory_tree import MemoryTree, clean
from .ubuntu_files import add_ubuntu_files

ID = "0123456789abcdef0123456789abcdef\n"
BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB"
KEY = f"ssh-ed25519 {BLOB} ops@example.com"
OTHER = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDOther else@example.com"
HASH = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"

Change = Callable[[MemoryTree], object]

BROKEN: list[tuple[str, str, Change]] = [
    ("authorized_keys", "/root/.ssh/authorized_keys", lambda t: t.file("/root/.ssh/authorized_keys", f"# c\n{KEY}\n")),
    ("authorized_keys", "/home/ops/.ssh/authorized_keys2", lambda t: t.file("/home/ops/.ssh/authorized_keys2", OTHER)),
    ("authorized_keys", "/home/gone/.ssh/authorized_keys", lambda t: t.file("/home/gone/.ssh/authorized_keys", KEY)),
    (
        "authorized_keys",
        "/etc/ssh/keys/ops",
        lambda t: t.file("/etc/ssh/sshd_config.d/k.conf", "AuthorizedKeysFile /etc/ssh/keys/%u\n").file(
            "/etc/ssh/keys/ops", f'from="10.0.0.0/8",no-pty {KEY}\n'
        ),
    ),
    ("authorized_keys", "/root/.ssh/authorized_keys", lambda t: t.file("/root/.ssh/authorized_keys", "no key at all")),
    (
        "authorized_keys",
        "/etc/ssh/ca.pub",
        lambda t: t.file("/etc/ssh/sshd_config", "Port 22\ntrustedusercakeys=/etc/ssh/ca.pub\n").file(
            "/etc/ssh/ca.pub", f"# CA\n{KEY}\n"
        ),
    ),
    (
        "authorized_keys",
        "/etc/ssh/sshd_config.d/k.conf",
        lambda t: t.file("/etc/ssh/sshd_config.d/k.conf", "Match User ops\n  AuthorizedKeysCommand /usr/bin/x %u\n"),
    ),
    (
        "authorized_keys",
        "/etc/ssh/sshd_config.d/l.conf",
        lambda t: t.file("/srv/l", 'AuthorizedKeysCommand "/usr/bin/x"\n').add(
            "/etc/ssh/sshd_config.d/l.conf", "link", 0o777, 6, "/srv/l"
        ),
    ),
    ("passwords", "/etc/shadow", lambda t: t.file("/etc/shadow", f"root:{HASH}:20779:0:99999:7:::\n")),
    ("passwords", "/etc/shadow", lambda t: t.file("/etc/shadow", f"root:!{HASH}:20779:0:99999:7:::\n")),
    ("passwords", "/etc/shadow", lambda t: t.file("/etc/shadow", "root::20779:0:99999:7:::\n")),
    ("passwords", "/etc/shadow", lambda t: t.file("/etc/shadow", "ops:rqXexS6ZhobKA:20779:0:99999:7:::\n")),
    ("passwords", "/etc/shadow-", lambda t: t.file("/etc/shadow-", f"root:{HASH}:20779:0:99999:7:::\n")),
    ("passwords", "/etc/passwd", lambda t: t.file("/etc/passwd", "toor::0:0::/root:/bin/sh\n")),
    ("passwords", "/etc/shadow", lambda t: t.file("/etc/shadow", f"root:*{HASH}:20779:0:99999:7:::\n")),
    ("passwords", "/var/backups/shadow.bak", lambda t: t.file("/var/backups/shadow.bak", f"root:{HASH}:20779::::::\n")),
    ("passwords", "/var/backups/gshadow.bak", lambda t: t.file("/var/backups/gshadow.bak", f"sudo:{HASH}::\n")),
    ("passwords", "/etc/security/opasswd", lambda t: t.file("/etc/security/opasswd", f"ops:1000:1:{HASH}\n")),
    ("passwords", "/etc/gshadow", lambda t: t.file("/etc/gshadow", f"sudo:{HASH}::\n")),
    ("world_writable", "/srv/a file", lambda t: t.file("/srv/a file", "", 0o666)),
    ("world_writable", "/srv/d", lambda t: t.add("/srv/d", "directory", 0o777)),
    ("world_writable", "/srv/d/fifo", lambda t: t.add("/srv/d/fifo", "fifo", 0o622)),
    ("machine_id", "/etc/machine-id", lambda t: t.file("/etc/machine-id", ID)),
    ("machine_id", "/etc/machine-id", lambda t: t.file("/etc/machine-id", "uninitialized\n")),
    ("machine_id", "/etc/machine-id", lambda t: t.found.pop("/etc/machine-id")),
    (
        "machine_id",
        "/etc/machine-id",
        lambda t: t.add("/etc/machine-id", "link", 0o777, 24, "/var/lib/dbus/machine-id"),
    ),
    ("dbus_machine_id", "/var/lib/dbus/machine-id", lambda t: t.file("/var/lib/dbus/machine-id", ID)),
    ("ssh_host_keys", "/etc/ssh/ssh_host_rsa_key", lambda t: t.file("/etc/ssh/ssh_host_rsa_key", "-----", 0o600)),
    ("ssh_host_keys", "/etc/dropbear/dropbear_rsa_host_key", lambda t: t.file("/etc/dropbear/dropbear_rsa_host_key")),
    ("cloud_init", "/var/lib/cloud/instance", lambda t: t.add("/var/lib/cloud/instance", "link", 0o777, 9, "x")),
    ("cloud_init", "/var/lib/cloud/data/instance-id", lambda t: t.file("/var/lib/cloud/data/instance-id", "i-1")),
    ("cloud_init", "/etc/netplan/50-cloud-init.yaml", lambda t: t.file("/etc/netplan/50-cloud-init.yaml", "network:")),
    (
        "cloud_init",
        "/etc/netplan/00-installer-config.yaml",
        lambda t: t.file("/etc/netplan/00-installer-config.yaml", "network:"),
    ),
    (
        "cloud_init_seed",
        "/var/lib/cloud/seed/nocloud/user-data",
        lambda t: t.file("/var/lib/cloud/seed/nocloud/user-data"),
    ),
    ("dhcp_leases", "/var/lib/dhcp/dhclient.eth0.leases", lambda t: t.file("/var/lib/dhcp/dhclient.eth0.leases", "x")),
    ("dhcp_leases", "/var/lib/dhcpcd/duid", lambda t: t.file("/var/lib/dhcpcd/duid", "00")),
    ("dhcp_leases", "/var/lib/NetworkManager/a.lease", lambda t: t.file("/var/lib/NetworkManager/a.lease", "x")),
    ("random_seed", "/var/lib/systemd/random-seed", lambda t: t.file("/var/lib/systemd/random-seed", "x" * 32)),
    ("random_seed", "/boot/efi/loader/random-seed", lambda t: t.file("/boot/efi/loader/random-seed", "x" * 32)),
    ("random_seed", "/var/lib/systemd/credential.secret", lambda t: t.file("/var/lib/systemd/credential.secret", "x")),
    (
        "network",
        "/etc/udev/rules.d/70-persistent-net.rules",
        lambda t: t.file("/etc/udev/rules.d/70-persistent-net.rules"),
    ),
    ("network", "/etc/netplan/90-NM-1.yaml", lambda t: t.file("/etc/netplan/90-NM-1.yaml", "network:")),
    (
        "network",
        "/etc/NetworkManager/system-connections/Office.nmconnection",
        lambda t: t.file("/etc/NetworkManager/system-connections/Office.nmconnection", "[wifi]"),
    ),
    (
        "network",
        "/etc/netplan/50-cloud-init.yaml",
        lambda t: t.file(
            "/etc/netplan/50-cloud-init.yaml", "network:\n  ethernets:\n    a: {match:\n      macaddress: '52:54:00:1'}"
        ).file("/etc/cloud/cloud-init.disabled"),
    ),
    (
        "host_ids",
        "/etc/iscsi/initiatorname.iscsi",
        lambda t: t.file("/etc/iscsi/initiatorname.iscsi", "# c\nInitiatorName=iqn.1993-08.org.debian:01:5c1\n"),
    ),
    ("host_ids", "/etc/nvme/hostnqn", lambda t: t.file("/etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:1")),
    *(
        ("host_ids", path, lambda t, path=path: t.file(path, "token"))
        for path in (
            "/var/lib/ubuntu-advantage/private/machine-token.json",
            "/etc/apt/auth.conf.d/90ubuntu-advantage",
            "/var/lib/landscape/client/broker.bpickle",
        )
    ),
    *(
        ("credentials", path, lambda t, path=path: t.file(path, "a key"))
        for path in (
            "/etc/krb5.keytab",
            "/var/lib/samba/private/secrets.tdb",
            "/var/lib/sss/db/cache_example.com.ldb",
            "/etc/puppetlabs/puppet/ssl/private_keys/a.pem",
            "/root/.ssh/id_ed25519",
            "/home/ops/.ssh/id_rsa",
            "/var/lib/snapd/device/private-keys-v1/x",
            "/etc/ssl/private/ssl-cert-snakeoil.key",
        )
    ),
    ("dhcp_leases", "/etc/dhcpcd.duid", lambda t: t.file("/etc/dhcpcd.duid", "00:01")),
    ("histories", "/root/.histfile", lambda t: t.file("/root/.histfile", "x")),
    ("histories", "/root/.bash_history", lambda t: t.file("/root/.bash_history", "mysql -phunter2\n")),
    ("histories", "/home/ops/.zsh_history", lambda t: t.file("/home/ops/.zsh_history", "x")),
    ("histories", "/home/gone/.lesshst", lambda t: t.file("/home/gone/.lesshst", "x")),
    ("logs", "/var/log/apt/term.log", lambda t: t.file("/var/log/apt/term.log", "x")),
    ("logs", "/var/log/journal/1/system.journal", lambda t: t.file("/var/log/journal/1/system.journal", "x")),
    ("apt_lists", "/var/lib/apt/lists/a_InRelease", lambda t: t.file("/var/lib/apt/lists/a_InRelease", "x")),
    ("apt_archives", "/var/cache/apt/archives/a.deb", lambda t: t.file("/var/cache/apt/archives/a.deb", "x")),
    ("temporary", "/tmp/x", lambda t: t.add("/tmp/x", "directory", 0o700)),
    ("temporary", "/var/crash/x", lambda t: t.file("/var/crash/x")),
    ("mail", "/var/mail/root", lambda t: t.file("/var/mail/root", "From x")),
    ("build", "/.goldsmith", lambda t: t.add("/.goldsmith", "directory", 0o700)),
    (
        "build",
        "/usr/sbin/policy-rc.d",
        lambda t: t.file("/usr/sbin/policy-rc.d", "#!/bin/sh\n# goldsmith: while the image is built\nexit 101\n"),
    ),
]

INNOCENT: list[tuple[str, Change]] = [
    ("a key file with comments", lambda t: t.file("/root/.ssh/authorized_keys", "# none\n\n")),
    (
        "settings of sshd that trust nobody",
        lambda t: t.file(
            "/etc/ssh/sshd_config",
            "AuthorizedKeysCommand none\nTrustedUserCAKeys none\nTrustedUserCAKeys /etc/ssh/gone.pub\n"
            "#TrustedUserCAKeys /etc/ssh/ca.pub\nAuthorizedKeysCommandUser nobody\nTrustedUserCAKeys\n",
        ).file("/etc/ssh/ca.pub", KEY),
    ),
    (
        "a file in a sticky directory",
        lambda t: t.file("/srv/sticky/x", "", 0o666).add("/srv/sticky", "directory", 0o1777),
    ),
    ("a link", lambda t: t.add("/srv/link", "link", 0o777, 1, "x")),
    ("a policy of one's own", lambda t: t.file("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")),
    (
        "a name of one's own for iSCSI",
        lambda t: t.file("/etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.2026-01.x:a\n"),
    ),
    ("a program named like a history", lambda t: t.file("/usr/bin/history", "x", 0o755)),
    ("a script of cloud-init's", lambda t: t.file("/var/lib/cloud/scripts/per-boot/x", "x", 0o755)),
    ("a log that is empty", lambda t: t.file("/var/log/auth.log")),
    ("a public key", lambda t: t.file("/root/.ssh/id_rsa.pub", KEY)),
    ("a directory of keys that is nobody's", lambda t: t.file("/usr/share/doc/x/.ssh/id_rsa", "x")),
    ("a list of earlier passwords that is empty", lambda t: t.file("/etc/security/opasswd", "ops:1000:0:\n")),
    *(
        (f"configuration that nobody will write again: {path}", lambda t, path=path: _without_cloud_init(t, path))
        for path in (
            "/etc/cloud/cloud-init.disabled",
            "/usr/bin/cloud-init",
            "/etc/systemd/system/cloud-init.service",
            "/etc/systemd/system/cloud-init.target.wants/cloud-init-local.service",
            "/etc/default/grub.d/99-x.cfg",
        )
    ),
    (
        "a network that cloud-init leaves alone",
        lambda t: t.file("/etc/netplan/50-cloud-init.yaml", "network:").file(
            "/etc/cloud/cloud.cfg.d/99-x.cfg", "network: {config: disabled}\n"
        ),
    ),
]


def _without_cloud_init(tree: MemoryTree, path: str) -> None:
    """It is kept from running by what is, or is not, at this path; what it generated before is there."""
    tree.file("/etc/netplan/50-cloud-init.yaml", "network:").file("/etc/sudoers.d/90-cloud-init-users", "ops ALL=…")
    if path in tree.found:
        del tree.found[path]
    elif path.endswith(".service"):
        tree.add(path, "link", 0o777, 9, "/dev/null")
    else:
        tree.file(path, '# A comment.\nGRUB_CMDLINE_LINUX="quiet cloud-init=disabled"\n')


def failed(tree: MemoryTree, expected: Expected, *hits: Hit) -> dict[str, list[str]]:
    report = audit(Context(tree, expected, Disk(hits)), RULES.values())
    return {line.rule.name: [found.path for found in line.findings] for line in report.lines if line.status == "failed"}


@pytest.mark.parametrize(("rule", "path", "change"), BROKEN, ids=[f"{rule}-{path}" for rule, path, dummy in BROKEN])
def test_a_broken_rule_is_told(rule: str, path: str, change: Change) -> None:
    tree = clean()
    change(tree)
    found = failed(tree, Expected())
    assert path in found[rule]
    # What is in /srv/d is world-writable with it, and nothing else is wrong.
    assert set(found) == {rule}


@pytest.mark.parametrize(("rule", "path", "change"), BROKEN, ids=[f"{rule}-{path}" for rule, path, dummy in BROKEN])
def test_what_a_machine_s_life_leaves_is_told_where_it_does_not_count(rule: str, path: str, change: Change) -> None:
    tree = clean()
    change(tree)
    report = audit(Context(tree, Expected(generalised=False)), RULES.values())
    status = {line.rule.name: line.status for line in report.lines}
    assert status[rule] == ("failed" if RULES[rule].scope == ALWAYS else "told")
    assert report.failed is (RULES[rule].scope == ALWAYS)


@pytest.mark.parametrize(("what", "change"), INNOCENT)
def test_what_only_looks_like_it(what: str, change: Change) -> None:
    tree = clean()
    change(tree)
    assert failed(tree, Expected()) == {}, what


def test_files_of_ubuntu_s_images_break_no_rule() -> None:
    """Such as they are known to have; no image of Ubuntu's was there to be listed."""
    assert failed(add_ubuntu_files(clean()), Expected()) == {}


def test_every_rule_is_broken_here() -> None:
    assert {rule for rule, dummy, dummy_change in BROKEN} | {"secrets", "unread", "snapshots"} == set(RULES)


def test_what_generalise_keeps_is_a_rule() -> None:
    # Copies of /etc/shadow are a matter of passwords; stamps do no harm.
    assert set(GROUPS) - set(RULES) == {"backups", "stamps"}


@pytest.mark.parametrize(
    "line",
    [
        KEY,
        f"ssh-ed25519 {BLOB}",
        f'command="/bin/x y",no-pty ssh-ed25519 {BLOB} another comment',
        f"{KEY}\n\n# {OTHER}",
    ],
)
def test_keys_of_the_recipe_are_known_by_themselves(line: str) -> None:
    tree = clean().file("/home/ops/.ssh/authorized_keys", f"{line}\n")
    assert failed(tree, Expected(authorized_keys={"ops": frozenset({KEY})})) == {}
    assert set(failed(tree, Expected(authorized_keys={"root": frozenset({KEY})}))) == {"authorized_keys"}


@pytest.mark.parametrize(
    ("expected", "left"),
    [
        (Expected(files=("/etc/ssh/ca.pub", "/usr/bin/x")), []),
        (Expected(files=("/etc/ssh/ca.pub", "/etc/ssh/sshd_config")), []),
        (
            Expected(
                lines={
                    "/etc/ssh/ca.pub": frozenset({KEY, OTHER}),
                    "/etc/ssh/sshd_config": frozenset({"AuthorizedKeysCommand /usr/bin/x"}),
                }
            ),
            [],
        ),
        (Expected(files=("/usr/bin/x",), lines={"/etc/ssh/ca.pub": frozenset({KEY})}), ["/etc/ssh/ca.pub"]),
        # Who may log in as ops may not say who else may.
        (Expected(files=("/usr/bin/x",), authorized_keys={"ops": frozenset({KEY})}), ["/etc/ssh/ca.pub"] * 2),
        (Expected(files=("/etc/ssh/ca.pub",)), ["/etc/ssh/sshd_config"]),
        (Expected(files=("/etc/ssh/ca.pub",), directories=("/etc/ssh",)), ["/etc/ssh/sshd_config"]),
    ],
)
def test_what_else_sshd_trusts_the_recipe_has_to_put_in(expected: Expected, left: list[str]) -> None:
    tree = clean().file("/etc/ssh/ca.pub", f"{KEY}\n{OTHER}\n").file("/usr/bin/x", "#!/bin/sh\n", 0o755)
    tree.file("/etc/ssh/sshd_config", "TrustedUserCAKeys /etc/ssh/ca.pub\n  AuthorizedKeysCommand /usr/bin/x\n")
    assert failed(tree, expected) == ({"authorized_keys": left} if left else {})


def test_a_line_of_the_recipe_makes_no_other_key_known() -> None:
    path = "/home/ops/.ssh/authorized_keys"
    expected = Expected(lines={path: frozenset({KEY})})
    assert failed(clean().file(path, f"{KEY}\n"), expected) == {}
    assert failed(clean().file(path, f"{KEY}\n{OTHER}\n"), expected) == {"authorized_keys": [path]}


def test_a_directory_of_the_recipe_makes_no_key_known() -> None:
    tree = clean().file("/root/.ssh/authorized_keys", KEY)
    assert set(failed(tree, Expected(directories=("/root/.ssh",)))) == {"authorized_keys"}


@pytest.mark.parametrize("home", ["/home//ops/", "/homes/ops", "/srv/./data/ops"])
def test_a_home_is_found_however_it_is_written(home: str) -> None:
    tree = MemoryTree()
    tree.found.update({path: entry for path, entry in clean().found.items() if not path.startswith("/home")})
    tree.contents.update(clean().contents)
    tree.file("/etc/passwd", f"ops:x:1000:1000::{home}:/bin/bash\n").file("/srv/data/ops/.ssh/authorized_keys", KEY)
    tree.file("/srv/data/ops/.bash_history", "x")
    for link in ("/home", "/homes"):
        tree.add(link, "link", 0o777, 9, "srv/data")
    assert failed(tree, Expected()) == {
        "authorized_keys": ["/srv/data/ops/.ssh/authorized_keys"],
        "histories": ["/srv/data/ops/.bash_history"],
    }


def test_a_key_is_told_by_its_fingerprint() -> None:
    tree = clean().file("/home/ops/.ssh/authorized_keys", f"{KEY}\n")
    (line,) = (found for found in audit(Context(tree, Expected()), RULES.values()).lines if found.findings)
    assert "as ops" in line.findings[0].detail
    assert "SHA256:" in line.findings[0].detail
    assert "ops@example.com" in line.findings[0].detail
    assert BLOB not in line.findings[0].detail


@pytest.mark.parametrize("user", ["root", "ops"])
def test_passwords_of_the_recipe(user: str) -> None:
    tree = clean().file("/etc/shadow", f"{user}:{HASH}:20779:0:99999:7:::\n")
    assert failed(tree, Expected(passwords={user: ""})) == {}
    assert failed(tree, Expected(passwords={user: HASH})) == {}
    assert set(failed(tree, Expected(passwords={user: f"{HASH}x"}))) == {"passwords"}
    assert set(failed(tree, Expected(passwords={"daemon": ""}))) == {"passwords"}


@pytest.mark.parametrize("path", ["/etc/shadow-", "/var/backups/shadow.bak", "/etc/passwd-", "/etc/security/opasswd"])
def test_a_copy_may_have_the_password_of_the_recipe_and_no_other(path: str) -> None:
    def copied(hashed: str) -> dict[str, list[str]]:
        tree = clean().file("/etc/shadow", f"ops:!{HASH}:20779:0:99999:7:::\n")
        line = f"ops:1000:1:{hashed}\n" if path.endswith("opasswd") else f"ops:{hashed}:20779:0:99999:7:::\n"
        return failed(tree.file(path, line), Expected(passwords={"ops": ""}))

    assert copied(HASH) == {}
    assert copied(f"{HASH}x") == {"passwords": [path]}


def test_a_user_with_a_password_cannot_do_without() -> None:
    tree = clean().file("/etc/shadow", "ops::20779:0:99999:7:::\n")
    assert failed(tree, Expected(passwords={"ops": ""})) == {"passwords": ["/etc/shadow"]}


def test_no_hash_is_told() -> None:
    tree = clean().file("/etc/shadow", f"root:{HASH}:20779:0:99999:7:::\n")
    text = audit(Context(tree, Expected()), RULES.values()).text()
    assert HASH[:20] not in text


@pytest.mark.parametrize(
    "path",
    ["/root/.ssh/authorized_keys", "/etc/ssh/ssh_host_rsa_key", "/var/lib/cloud/seed/nocloud/user-data"],
)
def test_what_the_recipe_put_in_by_name_is_meant(path: str) -> None:
    tree = clean().file(path, KEY)
    assert failed(tree, Expected(files=(path,))) == {}
    assert len(failed(tree, Expected(files=("/elsewhere",)))) == 1


def test_secrets_are_told_with_their_place() -> None:
    hits = (Hit("secrets.TOKEN of step 3 (run_command)", "base64", 4711, "/opt/x"), Hit("a", "plain", 8192))
    report = audit(Context(clean(), Expected(), Disk(hits)), RULES.values())
    (line,) = (found for found in report.lines if found.findings)
    assert [found.path for found in line.findings] == ["/opt/x", ""]
    assert "secrets.TOKEN of step 3 (run_command) stands there (base64), at byte 4711" in line.findings[0].detail
    assert "in no file" in line.findings[1].detail


def test_many_places_in_one_file_are_one_finding() -> None:
    hits = tuple(Hit("a", "plain", 4096 * number, "/opt/x") for number in range(1, 4))
    report = audit(Context(clean(), Expected(), Disk(hits)), RULES.values())
    (line,) = (found for found in report.lines if found.findings)
    assert [found.detail for found in line.findings] == [
        "a stands there (plain), at byte 4096 of the disk, and at 2 more"
    ]


def test_what_is_not_read_counts() -> None:
    disk = Disk(unread={"/home": "partition 3 is btrfs, which is not read"}, snapshots=("before",))
    report = audit(Context(clean(), Expected(generalised=False), disk), RULES.values())
    assert {line.rule.name: [found.path for found in line.findings] for line in report.lines if line.findings} == {
        "unread": ["/home"],
        "snapshots": [""],
    }
    assert report.failed
    assert "the snapshot before" in report.text()
