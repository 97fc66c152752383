# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's locale."""

from __future__ import annotations

import re

from ...common.errors import BadRequestError
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail

_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:_[A-Za-z0-9]{2,8})?(?:\.[A-Za-z0-9-]+)?(?:@[A-Za-z0-9]+)?")
# glibc has them without localedef.
_BUILT_IN = ("C", "POSIX", "C.UTF-8")

_MISSING = fail("the image has no list of locales: install the package locales by a step packages before this one")
# localedef is called as locale-gen calls it, because Debian's and Ubuntu's locale-gen differ: one takes its list from
# a file, the other from arguments too. What is listed in both their files is made again when the package is upgraded.
_GENERATE = rf"""
supported=/usr/share/i18n/SUPPORTED
[ -e "$supported" ] || {_MISSING}
aliases=/usr/share/locale/locale.alias
[ -e "$aliases" ] || aliases=/dev/null
for locale; do
    line=$(grep -F -e "$locale " "$supported" | grep -m 1 "^$locale " || :)
    if [ -z "$line" ]; then
        printf '%s\n' "the image knows no locale $locale; it may mean one of these:" >&2
        grep -i "^${{locale%%[._@]*}}[._@].* UTF-8\$" "$supported" | cut -d ' ' -f 1 | head -n 30 | paste -s -d ' ' >&2
        exit 1
    fi
    charset=${{line#* }}
    base=${{locale%%[.@]*}}
    case $locale in *@*) base=$base@${{locale#*@}} ;; esac
    status=0
    localedef -i "$base" -c -f "$charset" -A "$aliases" "$locale" || status=$?
    [ "$status" -le 1 ] || exit 1
    for list in /etc/locale.gen /var/lib/locales/supported.d/local; do
        [ -d "${{list%/*}}" ] || continue
        if [ ! -e "$list" ] || ! grep -q "^$line *\$" "$list"; then printf '%s\n' "$line" >>"$list"; fi
    done
done
"""

# Newer releases have the one as a link to the other; where both are files, both count for somebody.
_SET = """
set -- /etc/default/locale
if [ -e /etc/locale.conf ]; then set -- "$@" /etc/locale.conf; fi
for file; do
    mkdir -p "${file%/*}"
    { if [ -e "$file" ]; then grep -v -E '^ *(export +)?(LANG|LC_ALL)=' "$file" || :; fi; } >"$FILES/locale"
    cat "$FILES/lang" >>"$FILES/locale"
    cat "$FILES/locale" >"$file"
done
"""


def _check(options: Options) -> Options:
    if "name" not in options and not options["generate"]:
        raise BadRequestError("there is nothing to do", "Give name, generate, or both")
    checked = {**options, "generate": [_locale("generate", locale) for locale in options["generate"]]}
    if "name" in options:
        checked["name"] = _locale("name", options["name"])
    return checked


def _locale(option: str, value: str) -> str:
    # As glibc lists them: it takes en_US.utf8 for the same.
    locale = re.sub(r"\.utf-?8(?=@|$)", ".UTF-8", value, flags=re.IGNORECASE)
    if locale not in _BUILT_IN and not _LOCALE.fullmatch(locale):
        raise BadRequestError(f"{option} is not the name of a locale: {value!r}", "Write it as en_US.UTF-8 or C.UTF-8")
    return locale


def _render(options: Options) -> tuple[Operation, ...]:
    name = options.get("name")
    wanted = list(dict.fromkeys([*options["generate"], *([name] if name else [])]))
    generated = [locale for locale in wanted if locale not in _BUILT_IN]
    script = f"set -- {' '.join(generated)}{_GENERATE}" if generated else ""
    if name is None:
        return (Run(script),)
    return (Run(script + _SET, contents={"lang": f"LANG={name}\n"}),)


KIND = StepKind(
    name="locale",
    description="""
        Set the system's locale, and generate those that are wanted.

        A C(locale) in the configuration of C(cloud-init) still has its way at each clone's first boot.
    """,
    options={
        "name": {
            "type": "str",
            "description": """
                C(LANG) of the system, such as V(de_DE.UTF-8) or V(C.UTF-8). It is generated where it has to be.
                An C(LC_ALL) that would override it is taken out; other C(LC_) variables stay.
            """,
        },
        "generate": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Further locales to generate. The image has to have the package C(locales).",
        },
    },
    check=_check,
    render=_render,
    example="""\
- locale:
    name: C.UTF-8
    generate: [en_US.UTF-8, de_DE.UTF-8]
""",
)
