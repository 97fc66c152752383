# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror of the distribution's archives."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from .. import apt
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail

_SCHEMES = ("https", "http", "file", "copy", "mirror+https", "mirror+http", "mirror+file")
_KEPT = "/var/lib/goldsmith-apt-mirror"
"""While the build lasts: the sources as they were, and as this step made them."""

# Also country.archive.ubuntu.com, and region.clouds.archive.ubuntu.com, as cloud-init writes them.
_UBUNTU = r"(ports|([A-Za-z0-9-]+\.)*archive)\.ubuntu\.com/ubuntu(-ports)?"
_UBUNTU_SECURITY = r"security\.ubuntu\.com/ubuntu"
_DEBIAN = r"(deb|httpredir|cdn-aws\.deb|ftp(\.[a-z]+)?)\.debian\.org/debian"
_DEBIAN_SECURITY = r"((deb|cdn-aws\.deb|security)\.debian\.org/debian-security|security\.debian\.org)"

# Sources, and the lists of mirrors that Debian's cloud images name in theirs.
_EACH = """\
set --
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \\
    /etc/apt/mirrors/*.list
do
    [ ! -f "$file" ] || set -- "$@" "$file"
done
"""


def _check(options: Options) -> Options:
    checked = {**options, "uri": apt.uri("uri", options["uri"], _SCHEMES).rstrip("/")}
    if "security_uri" in options:
        checked["security_uri"] = apt.uri("security_uri", options["security_uri"], _SCHEMES).rstrip("/")
    return checked


def _render(options: Options) -> tuple[Operation, ...]:
    uri, security = options["uri"], options.get("security_uri")
    replaced = {_UBUNTU: uri, _UBUNTU_SECURITY: security or uri, _DEBIAN: uri}
    if security:
        replaced[_DEBIAN_SECURITY] = security
    program = _program(replaced)
    # A file is replaced as a whole, so that what is there is one or the other; cat keeps owner and mode.
    script = f"""\
{_EACH}program={shlex.quote(program)}
changed=no
for file in "$@"; do
    new=$(mktemp)
    sed -E -e "$program" -- "$file" >"$new"
    if ! cmp -s -- "$file" "$new"; then
        changed=yes
        {":" if options["for_good"] else _KEEP}
        cat -- "$new" >"$file"
        echo "$file"
    fi
    rm -f -- "$new"
done
"""
    nothing = fail(
        "none of the image's sources for apt names an archive of the distribution, such as archive.ubuntu.com",
        "there is nothing to replace: leave out apt_mirror, or change the sources by another step",
    )
    if not options["for_good"]:
        twice = fail("another step apt_mirror is at work until the end of the build", "give one of them for_good: true")
        script = f"[ ! -e {_KEPT} ] || {twice}\nmkdir -m 0700 {_KEPT}\n{script}"
    known = shlex.quote(uri)
    script += f'[ "$changed" = yes ] || {{ [ $# != 0 ] && grep -qF -e {known} -- "$@"; }} || {nothing}\n'
    return (Run(script),)


_KEEP = f"""\
kept={_KEPT}/$(printf '%s' "$file" | tr / '|')
        cp -p -- "$file" "$kept.was"
        cp -- "$new" "$kept.made\""""


def _program(replaced: Mapping[str, str]) -> str:
    """For sed: put a URI in the place of each archive's where that is a word; comments stay.

    By way of a mark, because a new URI may look like one that is replaced; twice, because words share the blank.
    """
    marking, naming = "", ""
    for number, (archive, new) in enumerate(replaced.items(), start=1):
        after = archive.count("(") + 3
        marking += (
            f"s#(^([Uu][Rr][Ii][Ss]:)?|[[:space:]])https?://{archive}/?([[:space:]]|$)#\\1\\x0{number}\\{after}#g\n" * 2
        )
        escaped = new.replace("\\", "\\\\").replace("&", "\\&").replace("#", "\\#")
        naming += f"s#\\x0{number}#{escaped}#g\n"
    return f"/^[[:space:]]*#/!{{\n{marking}{naming}}}\n"


def _finish(options: Options) -> tuple[Operation, ...]:
    if options["for_good"]:
        return ()
    script = f"""\
for kept in {_KEPT}/*.was; do
    [ -e "$kept" ] || continue
    name=${{kept#{_KEPT}/}}
    file=$(printf '%s' "${{name%.was}}" | tr '|' /)
    # A step since then may have removed it.
    [ -e "$file" ] || continue
    cmp -s -- "$file" "${{kept%.was}}.made" || {{
        echo "$file was changed by a step after apt_mirror, so that it cannot become what it was:" >&2
        echo 'put that step before apt_mirror, or give apt_mirror for_good: true' >&2
        exit 1
    }}
    cp -p -- "$kept" "$file"
done
rm -rf {_KEPT}
"""
    return (Run(script),)


KIND = StepKind(
    name="apt_mirror",
    description="""
        Have apt take the distribution's packages from a mirror from this step on: until the end of the build, or for
        good. It takes the place of the archives of Ubuntu and Debian in the image's sources, in both formats, and of
        those alone. The distribution's keys stay the ones that are trusted.

        At first boot cloud-init writes the sources anew from its templates, unless it is told otherwise by
        C(apt: {preserve_sources_list: true}), as in a step C(cloud_config). With O(for_good) you want that, too.
    """,
    options={
        "uri": {
            "type": "str",
            "required": True,
            "description": "The mirror of the archive, such as V(https://mirror.example.com/ubuntu).",
        },
        "security_uri": {
            "type": "str",
            "description": """
                The mirror of the archive of security updates. Without it, Ubuntu's are taken from O(uri), whose archive
                has them, and Debian's from where they come from now.
            """,
        },
        "for_good": {
            "type": "bool",
            "default": False,
            "description": "Whether the image keeps it. If not, its sources are as they were, to the byte.",
        },
    },
    example="""\
- apt_mirror:
    uri: https://mirror.example.com/ubuntu
- packages:
    upgrade: dist
""",
    check=_check,
    render=_render,
    finish=_finish,
)
