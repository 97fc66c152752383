# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of the step ``generalise``, by what each takes out of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .generalise_clones import CREDENTIALS, SSH_HOST_KEYS

LIBRARY = r"""
# All that is in these directories, which stay with their owners and permissions.
empty() {
  for directory; do
    if [ -d "$directory" ]; then find "$directory/" -xdev -mindepth 1 -delete; fi
  done
}
"""

# The file keeps its permissions. systemd wants it there: it cannot make it where the root is read-only at first.
MACHINE_ID = r"""
if [ -L /etc/machine-id ]; then rm /etc/machine-id; fi
if [ -e /etc/machine-id ]; then
  : >/etc/machine-id
else
  (umask 0333 && : >/etc/machine-id)
fi
if [ -e /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
  ln -sfT /etc/machine-id /var/lib/dbus/machine-id
fi
"""

# The state as `cloud-init clean --logs` removes it, but scripts and handlers stay, which are of the image, not of a
# machine. Files that it generates, some more than `--configs all` has, go only where it makes new ones: a clone would
# have no network, or nobody with sudo.
_CLOUD_INIT = r"""
if [ -d /var/lib/cloud ]; then
  find /var/lib/cloud/ -xdev -mindepth 1 -maxdepth 1 ! -name seed ! -name scripts ! -name handlers \
    -exec rm -rf --one-file-system {} +
fi
rm -rf /run/cloud-init
rm -f /var/log/cloud-init.log* /var/log/cloud-init-output.log*
if cloud_init_runs; then
  rm -f /etc/ssh/sshd_config.d/50-cloud-init.conf /etc/sudoers.d/90-cloud-init-users \
    /etc/apt/apt.conf.d/90cloud-init-pipelining /etc/apt/apt.conf.d/90cloud-init-aptproxy
elif [ -e /etc/sudoers.d/90-cloud-init-users ] || [ -e /etc/ssh/sshd_config.d/50-cloud-init.conf ]; then
  echo 'cloud-init does not run in clones: what it once generated for sudo and sshd stays'
fi
if cloud_init_writes_network; then
  rm -f /etc/netplan/50-cloud-init.yaml /etc/netplan/00-installer-config*.yaml \
    /etc/network/interfaces.d/50-cloud-init /etc/network/interfaces.d/50-cloud-init.cfg \
    /etc/systemd/network/10-cloud-init-* /etc/NetworkManager/conf.d/99-cloud-init.conf \
    /etc/NetworkManager/conf.d/30-cloud-init-ip6-addr-gen-mode.conf \
    /etc/NetworkManager/system-connections/cloud-init-*.nmconnection
elif [ -e /etc/netplan/50-cloud-init.yaml ] || [ -e /etc/network/interfaces.d/50-cloud-init ]; then
  echo 'cloud-init does not configure the network of clones: what it once generated for it stays'
fi
# What packages and installers have there for `cloud-init clean`.
for hook in /etc/cloud/clean.d/*; do
  if [ -f "$hook" ] && [ -x "$hook" ]; then "$hook"; fi
done
"""

_APT_LISTS = r"""
empty /var/lib/apt/lists /var/lib/apt/periodic
rm -f /var/cache/apt/pkgcache.bin /var/cache/apt/srcpkgcache.bin /var/lib/update-notifier/updates-available
"""

_APT_ARCHIVES = r"""
if [ -d /var/cache/apt/archives ]; then find /var/cache/apt/archives/ -xdev -type f -delete; fi
"""

# Services find their files with the owners and permissions that packages gave them.
_LOGS = r"""
empty /var/log/journal /var/log/installer
if [ -d /var/log ]; then
  find /var/log/ -xdev -type f '(' -name '*.gz' -o -name '*.xz' -o -name '*.bz2' -o -name '*.zst' -o -name '*.old' \
    -o -name '*.[0-9]' -o -name '*.[0-9][0-9]' -o -name '*-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' ')' -delete
  find /var/log/ -xdev -type f -size +0 -exec truncate -s 0 -- {} +
fi
rm -f /var/lib/logrotate/status /var/lib/logrotate.status
"""

HOMES = r"""
# Home directories, be their users gone; of `/` as of any other.
homes() {
  while IFS=: read -r dummy dummy dummy dummy dummy home dummy; do
    if [ -d "$home" ]; then printf '%s\n' "${home%/}"; fi
  done </etc/passwd
  for home in /root /home/*; do
    if [ -d "$home" ]; then printf '%s\n' "$home"; fi
  done
}
"""

_HISTORIES = r"""
set --
homes >"$FILES/homes"
while IFS= read -r home; do
  find "$home/" -maxdepth 1 -type f -name '.*history' -delete
  set -- "$@" "$home/.histfile" "$home/.lesshst" "$home/.viminfo" "$home/.wget-hsts" "$home/.dbshell" \
    "$home/.local/share/fish/fish_history" "$home/.local/state/lesshst" "$home/.sudo_as_admin_successful" \
    "$home/.cache/motd.legal-displayed"
done <"$FILES/homes"
rm -f -- "$@"
empty /var/lib/sudo/lectured
"""

_DHCP_LEASES = r"""
rm -f /var/lib/dhcp/*.lease /var/lib/dhcp/*.lease[0-9s]* /var/lib/dhclient/*.lease* /var/lib/dhcpcd*/*.lease* \
  /var/lib/dhcpcd*/duid /var/lib/dhcpcd*/secret /etc/dhcpcd.duid /etc/dhcpcd.secret \
  /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/secret_key /var/lib/NetworkManager/timestamps \
  /var/lib/NetworkManager/seen-bssids
empty /var/lib/systemd/network /run/systemd/netif
"""

_RANDOM_SEED = r"""
rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/misc/random-seed /var/lib/random-seed \
  /var/lib/systemd/credential.secret /boot/loader/random-seed /boot/efi/loader/random-seed /efi/loader/random-seed
"""

_NETWORK = r"""
rm -f /etc/udev/rules.d/[0-9z]*[-_]persistent-net.rules /etc/udev/rules.d/[0-9z]*[-_]persistent-cd.rules \
  /etc/netplan/90-NM-*.yaml
connections=/etc/NetworkManager/system-connections
if [ -d $connections ]; then find $connections/ -maxdepth 1 -type f ! -name 'cloud-init-*' -delete; fi
empty /run/systemd/network
"""

# open-iscsi makes a name of its own at its first start where the file says so.
_HOST_IDS = r"""
file=/etc/iscsi/initiatorname.iscsi
if [ -f "$file" ] && grep -q -E '^InitiatorName=iqn\.(1993-08\.org\.debian:01|2004-10\.com\.ubuntu:01):' "$file"; then
  sed -i -e 's/^InitiatorName=.*/GenerateName=yes/' "$file"
fi
rm -f /etc/nvme/hostnqn /etc/nvme/hostid /var/lib/landscape/client/*broker.bpickle*
# Without their token apt could not read Ubuntu Pro's repositories.
if [ -e /etc/apt/auth.conf.d/90ubuntu-advantage ]; then
  for list in /etc/apt/sources.list.d/ubuntu-*; do
    if grep -Eqs '^[^#]*//esm\.ubuntu\.com/' "$list"; then rm -f -- "$list"; fi
  done
fi
rm -f /etc/apt/auth.conf.d/90ubuntu-advantage /var/lib/ubuntu-advantage/machine-id /var/lib/ubuntu-advantage/status.json
empty /var/lib/ubuntu-advantage/private
"""

_TEMPORARY = r"""
empty /tmp /var/tmp /var/crash /var/lib/systemd/coredump /var/lib/systemd/pstore /var/lib/apport/coredump
set --
homes >"$FILES/homes"
while IFS= read -r home; do set -- "$@" "$home/.ansible/tmp" "$home/.ansible/cp"; done <"$FILES/homes"
rm -rf --one-file-system -- "$@"
rm -f /run/reboot-required /run/reboot-required.pkgs
"""

# /etc/shadow- has the passwords of before the last change.
_BACKUPS = r"""
rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid- /var/lib/dpkg/*-old \
  /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
if [ -s /etc/security/opasswd ]; then : >/etc/security/opasswd; fi
if [ -d /var/backups ]; then find /var/backups/ -xdev -maxdepth 1 -type f -delete; fi
"""

_MAIL = r"""
if [ -d /var/mail ]; then find /var/mail/ -xdev -maxdepth 1 -type f -delete; fi
"""

_STAMPS = r"""
empty /var/spool/anacron
rm -f /var/lib/systemd/timers/stamp-*
"""

# The engine's disk passes it on, so that the image gets smaller, and what deleted files held is gone.
TRIM = r"""
sync
if command -v fstrim >/dev/null; then
  while read -r device point dummy; do
    case $device in
      /dev/[hsv]d[a-z]* | /dev/mapper/*)
        fstrim -v -- "$point" || echo "the free blocks of $point were not discarded" >&2
        ;;
    esac
  done </proc/mounts
fi
"""


@dataclass(frozen=True)
class Group:
    """One thing that can be kept."""

    description: str
    script: str
    put_in: tuple[str, ...] = ()
    """Patterns of what a recipe may have put in on purpose, and would be taken out again with all below it.

    ``*`` matches no slash. Where recipes put files for the build alone, such as ``/tmp``, there are none.
    """


GROUPS: Mapping[str, Group] = {
    "ssh_host_keys": Group("SSH host keys", SSH_HOST_KEYS, ("/etc/ssh/ssh_host_*",)),
    "cloud_init": Group(
        "the state of C(cloud-init), its logs, and the files that it generates, where it will write them again",
        _CLOUD_INIT,
        (
            *("/etc/netplan/50-cloud-init.yaml", "/etc/netplan/00-installer-config*.yaml"),
            *("/etc/network/interfaces.d/50-cloud-init*", "/etc/systemd/network/10-cloud-init-*"),
            *("/etc/NetworkManager/conf.d/99-cloud-init.conf", "/etc/ssh/sshd_config.d/50-cloud-init.conf"),
            *("/etc/sudoers.d/90-cloud-init-users", "/etc/apt/apt.conf.d/90cloud-init-*"),
            *("/var/lib/cloud/instances", "/var/lib/cloud/data", "/var/lib/cloud/sem"),
        ),
    ),
    "cloud_init_seed": Group(
        "seeds in C(/var/lib/cloud/seed)", "empty /var/lib/cloud/seed\n", ("/var/lib/cloud/seed",)
    ),
    "apt_lists": Group("package lists and the caches made of them", _APT_LISTS, ("/var/lib/apt/lists/*",)),
    "apt_archives": Group("downloaded packages", _APT_ARCHIVES),
    "logs": Group("journals, rotated logs, and the content of all others below C(/var/log)", _LOGS, ("/var/log/*",)),
    "histories": Group(
        "histories of shells and other programs in all home directories",
        _HISTORIES,
        ("/root/.*history", "/home/*/.*history"),
    ),
    "dhcp_leases": Group(
        "DHCP leases and the identifiers of DHCP clients",
        _DHCP_LEASES,
        (
            "/var/lib/dhcp/*",
            "/var/lib/dhcpcd*/*",
            "/etc/dhcpcd.duid",
            "/etc/dhcpcd.secret",
            "/var/lib/NetworkManager/*",
        ),
    ),
    "random_seed": Group(
        "random seeds, and the secret of C(systemd-creds)",
        _RANDOM_SEED,
        (
            *("/var/lib/random-seed", "/var/lib/*/random-seed", "/var/lib/systemd/credential.secret"),
            *("/boot/loader/random-seed", "/boot/efi/loader/random-seed", "/efi/loader/random-seed"),
        ),
    ),
    "network": Group(
        "names of network cards and drives that udev wrote down, and connections of NetworkManager",
        _NETWORK,
        (
            *("/etc/udev/rules.d/*persistent-net.rules", "/etc/udev/rules.d/*persistent-cd.rules"),
            *("/etc/NetworkManager/system-connections/*", "/etc/netplan/90-NM-*.yaml"),
        ),
    ),
    "host_ids": Group(
        "identifiers of iSCSI and NVMe initiators, of Landscape, and of Ubuntu Pro with its token and repositories",
        _HOST_IDS,
        (
            *("/etc/nvme/hostnqn", "/etc/nvme/hostid", "/var/lib/ubuntu-advantage/*"),
            *("/etc/apt/auth.conf.d/90ubuntu-advantage", "/var/lib/landscape/client/*broker.bpickle*"),
        ),
    ),
    "credentials": Group(
        "keytabs, secrets of Samba, SSSD and Puppet, private SSH keys in home directories, and the self-signed key of "
        "the package C(ssl-cert), which C(goldsmith-snakeoil.service) makes anew at a clone's first boot",
        CREDENTIALS,
        (
            *("/etc/krb5.keytab", "/var/lib/samba/private/secrets.?db", "/var/lib/sss/db/*", "/var/lib/sss/secrets/*"),
            *("/etc/puppet/ssl/*", "/etc/puppetlabs/puppet/ssl/*", "/var/lib/puppet/ssl/*"),
            *("/root/.ssh/id_*", "/home/*/.ssh/id_*", "/etc/ssl/private/ssl-cert-snakeoil.key"),
        ),
    ),
    "temporary": Group(
        "C(/tmp), C(/var/tmp), crash reports and core dumps, and of C(~/.ansible) what its runs leave", _TEMPORARY
    ),
    "backups": Group(
        "copies that passwd, dpkg and debconf make, and C(/var/backups)",
        _BACKUPS,
        ("/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/var/backups/*"),
    ),
    "mail": Group("mailboxes in C(/var/mail)", _MAIL, ("/var/mail/*", "/var/spool/mail/*")),
    "stamps": Group(
        "when timers and anacron ran last", _STAMPS, ("/var/spool/anacron/*", "/var/lib/systemd/timers/stamp-*")
    ),
}
"""What can be kept, in the order in which it is taken out."""
