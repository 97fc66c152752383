# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that cloud images of Ubuntu 22.04 and 24.04 are known to have, and that look like what a rule is about.

This is no listing of an image: it was written down from what their packages and their build put there.
"""

from __future__ import annotations

from .memory_tree import MemoryTree

_DIRECTORIES = {
    0o700: (
        *("/root/.ssh", "/lost+found", "/var/log/private", "/var/lib/private", "/var/lib/polkit-1/localauthority"),
        *("/var/lib/apt/lists/partial", "/var/cache/apt/archives/partial", "/etc/ssl/private", "/var/lib/snapd/cache"),
        *("/var/lib/ubuntu-advantage/private", "/etc/multipath", "/var/lib/fwupd/gnupg", "/boot/efi"),
    ),
    0o755: (
        *("/home", "/snap", "/var/backups", "/var/lib/dhcp", "/var/lib/dhcpcd", "/var/lib/landscape", "/var/lib/misc"),
        *("/var/lib/pollinate", "/var/lib/sysstat", "/var/log/sysstat", "/var/log/unattended-upgrades", "/etc/netplan"),
        *("/var/log/dist-upgrade", "/var/log/landscape", "/var/log/apt", "/var/lib/systemd/coredump", "/etc/cloud"),
        *("/var/lib/systemd/pstore", "/var/lib/systemd/timers", "/var/lib/snapd/device", "/var/lib/snapd/assertions"),
        *("/var/lib/cloud/data", "/var/lib/cloud/instances", "/var/lib/cloud/sem", "/var/lib/cloud/seed"),
        *("/var/lib/cloud/handlers", "/var/lib/cloud/scripts/per-boot", "/etc/udev/rules.d", "/var/cache/apparmor"),
        *("/etc/NetworkManager/dispatcher.d", "/var/lib/update-notifier/package-data-downloads/partial"),
    ),
    0o111: ("/var/lib/snapd/void",),
    0o2755: ("/var/log/journal",),
    0o2775: ("/var/mail", "/var/local"),
    0o1730: ("/var/spool/cron/crontabs",),
    0o1777: ("/var/crash", "/run/lock", "/run/screen", "/var/snap/lxd/common/shmounts"),
}

_LINKS = {
    "/etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf",
    "/var/lock": "/run/lock",
    "/var/run": "/run",
    "/var/spool/mail": "../mail",
    "/etc/mtab": "../proc/self/mounts",
    "/etc/systemd/system/ssh.service.requires/ssh.socket": "/usr/lib/systemd/system/ssh.socket",
    "/etc/systemd/system/sysinit.target.wants/open-iscsi.service": "/usr/lib/systemd/system/open-iscsi.service",
}

_FILES: dict[str, tuple[int, str]] = {
    "/etc/.pwd.lock": (0o600, ""),
    "/etc/passwd-": (0o644, "root:x:0:0:root:/root:/bin/bash\n"),
    "/etc/shadow-": (0o640, "root:*:19837:0:99999:7:::\nsystemd-network:!*:19837::::::\npollinate:!:19837::::::\n"),
    "/etc/gshadow": (0o640, "root:*::\nadm:*::\nlxd:!::\n"),
    "/etc/gshadow-": (0o640, "root:*::\nadm:*::\n"),
    "/etc/security/opasswd": (0o600, ""),
    "/root/.ssh/authorized_keys": (0o600, ""),
    "/root/.profile": (0o644, "mesg n\n"),
    "/etc/skel/.bash_logout": (0o644, "clear_console -q\n"),
    "/etc/ssh/moduli": (0o644, "20240101 2 6 100 2047 5 FFFF\n"),
    "/etc/ssh/ssh_import_id": (0o644, "{}\n"),
    "/etc/ssh/sshd_config.d/60-cloudimg-settings.conf": (0o600, "PasswordAuthentication no\n"),
    "/etc/sudoers.d/README": (0o440, "#\n"),
    "/etc/iscsi/initiatorname.iscsi": (0o600, "## DO NOT EDIT OR REMOVE THIS FILE!\nGenerateName=yes\n"),
    "/etc/multipath/wwids": (0o600, "# Multipath wwids, Version : 1.0\n"),
    "/etc/cloud/cloud.cfg.d/90_dpkg.cfg": (0o644, "datasource_list: [ NoCloud, ConfigDrive, None ]\n"),
    "/etc/cloud/cloud.cfg": (
        0o644,
        "users:\n  - default\nnetwork:\n  # A comment: config: disabled\n  activators: []\n",
    ),
    "/etc/cloud/build.info": (0o644, "build_name: server\nserial: 20240423\n"),
    "/etc/default/grub.d/50-cloudimg-settings.cfg": (0o644, 'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1"\n'),
    "/etc/pollinate/entropy.ubuntu.com.pem": (0o644, "-----BEGIN CERTIFICATE-----\n"),
    "/etc/apt/apt.conf.d/20apt-esm-hook.conf": (0o644, "binary::apt::AptCli::Hooks {};\n"),
    "/etc/apt/sources.list.d/ubuntu.sources": (0o644, "Types: deb\n"),
    "/etc/ubuntu-advantage/uaclient.conf": (0o644, "contract_url: https://contracts.canonical.com\n"),
    "/var/lib/ubuntu-advantage/apt-esm/etc/apt/sources.list.d/ubuntu-esm-apps.sources": (0o644, "Types: deb\n"),
    "/var/lib/ubuntu-advantage/messages/motd-esm-announce": (0o644, "x"),
    "/var/lib/snapd/state.json": (0o600, '{"data":{"preseeded":true}}'),
    "/var/lib/snapd/system-key": (0o644, "{}"),
    "/var/lib/snapd/seed/snaps/lxd_1.snap": (0o600, "hsqs"),
    "/var/lib/snapd/seed/assertions/model": (0o644, "type: model\n"),
    "/var/lib/systemd/catalog/database": (0o644, "RHHHKSLP"),
    "/var/lib/systemd/deb-systemd-helper-enabled/ssh.socket.dsh-also": (0o644, "x"),
    "/var/lib/apt/lists/lock": (0o640, ""),
    "/var/lib/apt/extended_states": (0o644, "Package: x\n"),
    "/var/cache/apt/archives/lock": (0o640, ""),
    "/var/cache/debconf/config.dat-old": (0o644, "x"),
    "/var/lib/dpkg/status-old": (0o644, "x"),
    "/var/log/wtmp": (0o664, ""),
    "/var/log/btmp": (0o660, ""),
    "/var/log/lastlog": (0o664, ""),
    "/var/log/apt/eipp.log.xz": (0o644, ""),
    "/var/lib/fwupd/pending.db": (0o644, "x"),
    "/var/lib/update-notifier/user.d/x": (0o644, "x"),
    "/usr/lib/udev/rules.d/73-usb-net-by-mac.rules": (0o644, "x"),
    "/usr/lib/udev/rules.d/99-lxd-agent.rules": (0o644, "x"),
    "/usr/lib/systemd/system/lxd-agent.service": (0o644, "x"),
    "/usr/share/keyrings/ubuntu-pro-esm-apps.gpg": (0o644, "x"),
    "/usr/share/doc/openssh-client/examples/ssh_host_rsa_key": (0o644, "x"),
    "/boot/grub/grubenv": (0o644, "# GRUB Environment Block\n"),
}


def add_ubuntu_files(tree: MemoryTree) -> MemoryTree:
    """Put all of them into an image."""
    for mode, paths in _DIRECTORIES.items():
        for path in paths:
            tree.add(path, "directory", mode)
    for path, target in _LINKS.items():
        tree.add(path, "link", 0o777, len(target), target)
    for path, (mode, content) in _FILES.items():
        tree.file(path, content, mode)
    return tree
