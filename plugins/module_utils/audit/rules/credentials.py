# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What proves to others which machine, or whose, one is."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from ..model import Context, Finding, Rule

_OF_A_MACHINE = {
    "/etc/krb5.keytab": "has the keys of one machine's Kerberos principals",
    "/var/lib/samba/private/secrets.?db": "has what a domain knows one machine by",
    "/var/lib/sss/db/*": "has what SSSD keeps of a domain and its users",
    "/var/lib/sss/secrets/*": "has secrets that SSSD keeps",
    "*/puppet/ssl/private_keys/*": "is the key of one machine's Puppet agent",
    "/var/lib/snapd/device/private-keys-v1/*": "is the key by which the snap store knows one machine",
    "/etc/ssl/private/ssl-cert-snakeoil.key": "is a key of TLS that all clones would have",
}


def _credentials(context: Context) -> Iterator[Finding]:
    for entry in context.matching(*_OF_A_MACHINE):
        if entry.size and not context.put_in(entry.path):
            yield Finding(entry.path, _what(entry.path))
    homes = {home for dummy, home in context.accounts}
    for entry in context.matching("*/.ssh/id_*"):
        home = entry.path.rpartition("/.ssh/")[0] or "/"
        if home in homes and entry.size and not entry.path.endswith(".pub") and not context.put_in(entry.path):
            yield Finding(entry.path, "is a user's private key for SSH")


def _what(path: str) -> str:
    return next(what for pattern, what in _OF_A_MACHINE.items() if fnmatchcase(path, pattern))


RULES = (
    Rule(
        "credentials",
        """
        There is nothing by which a machine or a user proves to others who it is: no keytab, no secret of a domain, no
        key of Puppet's or snapd's, no self-signed key for TLS that a package made, and in home directories no private
        key for SSH but what the recipe put there by name. All clones would be one machine to others, and whoever has
        the image would be it, too.
        """,
        "Let the step generalise be the last of the recipe. snapd's key it leaves: take an image in which no snap was "
        "set up by a running snapd",
        _credentials,
    ),
)
