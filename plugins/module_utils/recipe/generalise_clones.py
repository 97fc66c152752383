# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clones make anew at their first boot: whether cloud-init runs there, and units that make keys."""

from __future__ import annotations

CLOUD_INIT = r"""
# Whether a service of cloud-init's starts in clones.
starts() {
  [ "$(readlink "/etc/systemd/system/$1")" != /dev/null ] || return 1
  for link in /etc/systemd/system/*.wants/"$1" /usr/lib/systemd/system/*.wants/"$1"; do
    if [ -L "$link" ]; then return 0; fi
  done
  return 1
}
has_argument() {
  grep -Eqs "^[^#]*\\b$1\\b" /etc/default/grub /etc/default/grub.d/*.cfg /boot/grub/grub.cfg /etc/kernel/cmdline
}
cloud_init_runs() {
  command -v cloud-init >/dev/null && [ ! -e /etc/cloud/cloud-init.disabled ] &&
    ! has_argument cloud-init=disabled && starts cloud-init-local.service &&
    { starts cloud-init.service || starts cloud-init-network.service; }
}
cloud_init_writes_network() {
  cloud_init_runs && ! has_argument network-config=disabled &&
    ! grep -Eqs "^[^#]*\\bconfig[\"']?:[[:space:]]*[\"']?disabled\\b" /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg
}
"""

HOST_KEYS_UNIT = "goldsmith-ssh-host-keys.service"
# sysinit.target and what follows would come after ssh.socket, which sockets.target waits for. Where cloud-init makes
# keys, it has made them by then.
HOST_KEYS_SERVICE = """\
[Unit]
Description=New SSH host keys for this machine
DefaultDependencies=no
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
After=local-fs.target systemd-random-seed.service cloud-init.service cloud-init-network.service
Before=ssh.service sshd.service ssh.socket shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
"""

SSH_HOST_KEYS = rf"""
rm -f /etc/ssh/ssh_host_*
# At the first boot cloud-init makes new ones, unless it is not there, is disabled or finds no data for the clone. sshd
# would refuse to start then.
if [ -x /usr/sbin/sshd ] && command -v systemctl >/dev/null; then
  install -T -m 0644 "$FILES/host-keys" /etc/systemd/system/{HOST_KEYS_UNIT}
  SYSTEMD_OFFLINE=1 systemctl enable -- {HOST_KEYS_UNIT}
fi
"""

# The unit starts before any service that reads the key: PostgreSQL and Postfix do not start without it.
SNAKEOIL_UNIT = "goldsmith-snakeoil.service"
SNAKEOIL_SERVICE = """\
[Unit]
Description=A new self-signed certificate for this machine
DefaultDependencies=no
ConditionPathExists=!/etc/ssl/private/ssl-cert-snakeoil.key
After=local-fs.target systemd-random-seed.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
Environment=DEBIAN_FRONTEND=noninteractive
ExecStart=/usr/sbin/make-ssl-cert generate-default-snakeoil --force-overwrite

[Install]
WantedBy=sysinit.target
"""

CREDENTIALS = rf"""
rm -f /etc/krb5.keytab /var/lib/samba/private/secrets.tdb /var/lib/samba/private/secrets.ldb
empty /var/lib/sss/db /var/lib/sss/mc /var/lib/sss/secrets
for ssl in /etc/puppet/ssl /etc/puppetlabs/puppet/ssl /var/lib/puppet/ssl; do
  empty "$ssl/private_keys" "$ssl/public_keys" "$ssl/certificate_requests"
  if [ -d "$ssl/certs" ]; then find "$ssl/certs/" -type f ! -name ca.pem -delete; fi
done
homes >"$FILES/homes"
while IFS= read -r home; do
  if [ -d "$home/.ssh" ]; then find "$home/.ssh/" -maxdepth 1 -type f -name 'id_*' -delete; fi
done <"$FILES/homes"
if [ -e /etc/ssl/private/ssl-cert-snakeoil.key ] && [ -x /usr/sbin/make-ssl-cert ] && command -v systemctl >/dev/null
then
  rm -f /etc/ssl/private/ssl-cert-snakeoil.key
  install -T -m 0644 "$FILES/snakeoil" /etc/systemd/system/{SNAKEOIL_UNIT}
  SYSTEMD_OFFLINE=1 systemctl enable -- {SNAKEOIL_UNIT}
fi
"""
