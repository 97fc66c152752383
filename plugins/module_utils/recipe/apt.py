# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps that work with apt share: names of packages, and POSIX shell around apt-get."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from ..common.errors import BadRequestError

# Names as in Debian Policy 5.6.1, with apt-get's own suffixes for architecture, task, version and release.
_NAME = r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?"
_PACKAGE = re.compile(rf"{_NAME}\^?(?:[=/][A-Za-z0-9.+:~-]+)?")
_PLAIN_PACKAGE = re.compile(_NAME)
# What sources.list(5) can hold in one word, and apt.conf(5) in quotes.
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[!#$%&'()*+,./0-9:;=?@A-Z_a-z~\[\]-]+")

# apt takes a name that no package has for a regular expression, unless told otherwise: aide.common, linux-image-6.1.
LITERAL = "--option APT::Cmd::Pattern-Only=true"
_APT_GET = (
    f"apt-get --quiet --assume-yes {LITERAL} --option Dpkg::Use-Pty=0"
    " --option Dpkg::Options::=--force-confdef --option Dpkg::Options::=--force-confold"
)

BEGIN = """\
command -v apt-get >/dev/null || {
    echo 'the image has no apt-get: this step is for Debian, Ubuntu and their relatives' >&2
    exit 1
}
# Without translations, because the output is searched; needrestart(1) is an apt hook of Ubuntu.
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
had_lists=no
for list in /var/lib/apt/lists/*_Packages* /var/lib/apt/lists/*Release; do
    if [ -e "$list" ]; then had_lists=yes; fi
done
"""

# apt-get update takes failures that may pass for warnings; Error-Mode=any, since apt 2.1, makes them errors.
# Older versions do not know it, and say what happened in their output only.
UPDATE = """\
said=$(mktemp)
updated=yes
apt-get --quiet update --option APT::Update::Error-Mode=any >"$said" 2>&1 || updated=no
cat "$said"
for sign in 'E: ' 'Err:' 'W: Failed to fetch ' 'W: Some index files failed ' 'W: An error occurred during '
do
    if grep -q "^$sign" "$said"; then updated=no; fi
done
rm -f "$said"
if [ "$updated" = no ]; then
    echo 'apt-get update failed: packages would come from an old list, or none' >&2
    exit 100
fi
"""

END = """\
apt-get clean
if [ "$had_lists" = no ]; then
    find /var/lib/apt/lists -mindepth 1 -maxdepth 1 ! -name lock ! -name partial ! -name auxfiles -exec rm -rf {} +
fi
"""


def packages(option: str, names: Iterable[str]) -> list[str]:
    """Names of packages as apt-get install takes them."""
    return [_checked(option, name, _PACKAGE, "nginx, nginx=1.24.0-2 or nginx/noble-backports") for name in names]


def plain_packages(option: str, names: Iterable[str]) -> list[str]:
    """Names of packages without version and release."""
    return [_checked(option, name, _PLAIN_PACKAGE, "nginx or libc6:i386") for name in names]


def _checked(option: str, name: str, pattern: re.Pattern[str], example: str) -> str:
    if not pattern.fullmatch(name):
        raise BadRequestError(
            f"{option} has {name!r}, which is not the name of a package",
            f"Write names as apt takes them, such as {example}",
        )
    return name


def uri(option: str, value: str, schemes: Sequence[str]) -> str:
    """A URI with one of these schemes and without a password, as apt's files can hold it."""
    scheme = value.partition(":")[0]
    if not _URI.fullmatch(value) or scheme not in schemes:
        raise BadRequestError(
            f"{option} is not a URI that apt takes: {value!r}",
            f"Begin it with {', '.join(schemes)} and write unusual characters as %20",
        )
    try:
        parts = urlsplit(value)
        host, dummy = parts.hostname, parts.port
    except ValueError as error:
        raise BadRequestError(f"{option} is not a URI: {value!r} ({error})") from error
    if scheme in ("http", "https") and not host:
        raise BadRequestError(f"{option} names no host: {value!r}", "Write it as http://HOST/PATH")
    if parts.password is not None:
        raise BadRequestError(
            # Not the URI itself: there is a secret in it.
            f"{option} has a password in it, which everybody who has the image or its record could read",
            "Leave it out; apt finds passwords for servers in files of /etc/apt/auth.conf.d, see apt_auth.conf(5)",
        )
    return value


def apt_get(*words: str, recommends: bool = False) -> str:
    """A command of apt-get that asks nothing and keeps configuration files that were changed."""
    return f"{_APT_GET} {'' if recommends else '--no-install-recommends '}{' '.join(words)}"


def install(names: Sequence[str], *options: str, recommends: bool = False) -> str:
    """Install packages; says what to do where no repository has one."""
    given = shlex.join(names)
    return f"""\
{apt_get(*options, "install", "--", given, recommends=recommends)} || {{
    status=$?
    if apt-get {LITERAL} --simulate install -- {given} 2>&1 |
        grep -q '^E: \\(Unable to locate\\|Couldn.t find\\|Version \\|Release \\|Package .* has no installation\\)'
    then
        echo 'the repositories that the image knows do not have what apt-get names above: check how it is written,' \\
            'or add a repository by a step apt_repository before this one' >&2
    fi
    exit "$status"
}}
"""
