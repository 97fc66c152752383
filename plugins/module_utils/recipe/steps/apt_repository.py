# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of packages beside the distribution's own."""

from __future__ import annotations

import re
import shlex
from urllib.parse import urlsplit

from ...common.errors import BadRequestError
from .. import apt, apt_key
from ..model import FILE, Options, StepKind
from ..operations import Operation, Run
from ..shell import fail
from ..values import REMOTE_SRC_OPTION, file_path, single_line

_SCHEMES = ("https", "http", "file", "copy", "mirror+https", "mirror+http", "mirror+file", "tor+https", "tor+http")
# apt takes names of files of letters, digits, `_`, `-` and `.`, and passes over all others.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_SUITE = re.compile(r"[A-Za-z0-9_.~+/$()-]+")
_COMPONENT = re.compile(r"[A-Za-z0-9_.~+/-]+")
_ARCHITECTURE = re.compile(r"[a-z0-9-]+")
# Names, globs, and regular expressions in slashes, as in apt_preferences(5).
_PINNED = re.compile(r"/[!-~]+/|[a-z0-9*?][a-z0-9+.:*?\[\]-]*")
_PIN = re.compile(r"(?:origin|release|version) [ -~]+")
_KEYS = ("key", "key_src", "key_url", "signed_by")
_ONLY_PRESENT = (*_KEYS, "uris", "suites", "components", "architectures", "pin", "pin_priority")


def _check(options: Options) -> Options:
    if not _NAME.fullmatch(options["name"]):
        raise BadRequestError(
            f"name cannot be the name of a file of apt: {options['name']!r}", "Use letters, digits, `_`, `-` and `.`"
        )
    if options["state"] == "absent":
        given = [name for name in _ONLY_PRESENT if options.get(name)]
        if given:
            raise BadRequestError(f"{', '.join(given)} cannot be given for a repository that is to be absent")
        return options
    checked = {**options, "uris": [apt.uri("uris", value, _SCHEMES) for value in options["uris"]]}
    if not options["uris"] or not options["suites"]:
        raise BadRequestError("a repository needs uris and suites", "Give both, as in its publisher's instructions")
    _check_words("suites", options["suites"], _SUITE)
    _check_words("components", options["components"], _COMPONENT)
    _check_words("architectures", options["architectures"], _ARCHITECTURE)
    flat = [suite for suite in options["suites"] if suite.endswith("/")]
    if flat and (options["components"] or len(flat) != len(options["suites"])):
        raise BadRequestError(
            f"the suite {flat[0]!r} ends in a slash, which is for repositories without suites and components",
            "Leave the slash out, or leave out components and the other suites",
        )
    if not flat and not options["components"]:
        raise BadRequestError(
            "components is missing", "Give it, such as [main]; only a suite that ends in `/` has none"
        )
    checked.update(_checked_key(options))
    checked.update(_checked_pin(options))
    return checked


def _check_words(option: str, words: list[str], pattern: re.Pattern[str]) -> None:
    for word in words:
        if not pattern.fullmatch(word):
            raise BadRequestError(f"{option} has {word!r}, which sources.list(5) does not take")


def _checked_key(options: Options) -> dict[str, str]:
    given = [name for name in _KEYS if options.get(name)]
    if len(given) != 1:
        raise BadRequestError(
            f"a repository needs exactly one of {', '.join(_KEYS)}, and has {', '.join(given) or 'none'}",
            "Give the public key that the repository is signed with; without one anybody could take its place",
        )
    if "key_checksum" in options and "key_url" not in options:
        raise BadRequestError("key_checksum is for key_url", "Leave it out, or give key_url")
    if "key" in options:
        apt_key.check_armored("key", options["key"])
    if "key_src" in options:
        single_line("key_src", options["key_src"])
    if "signed_by" in options:
        return {"signed_by": _keyring(options["signed_by"])}
    if "key_url" in options:
        url = apt.uri("key_url", options["key_url"], ("https", "http"))
        return {"key_url": url, "key_checksum": apt_key.checksum("key_checksum", options.get("key_checksum", ""))}
    return {}


def _keyring(value: str) -> str:
    path = file_path("signed_by", value)
    if re.search(r"\s", path):
        raise BadRequestError(f"signed_by is not a path that sources.list(5) takes: {path!r}")
    return path


def _checked_pin(options: Options) -> dict[str, str]:
    if "pin_priority" not in options:
        given = [name for name in ("pin", "pin_packages") if options.get(name, ["*"]) != ["*"]]
        if given:
            raise BadRequestError(f"{', '.join(given)} is for pin_priority", "Give pin_priority as well")
        return {}
    if not -32768 <= options["pin_priority"] <= 32767 or not options["pin_priority"]:
        raise BadRequestError(
            f"pin_priority is not one of apt_preferences(5): {options['pin_priority']}",
            "Give 500 for one like all others, 100 for one that is asked last, -1 for one that is never taken",
        )
    for pattern in options["pin_packages"]:
        if not _PINNED.fullmatch(pattern):
            raise BadRequestError(f"pin_packages has {pattern!r}, which apt_preferences(5) does not take")
    if "pin" not in options:
        return {}
    pin = " ".join(options["pin"].split(" "))
    if not _PIN.fullmatch(pin):
        raise BadRequestError(
            f"pin is not one of apt_preferences(5): {pin!r}",
            "Write it as `origin apt.example.com` or `release o=Example`",
        )
    return {"pin": pin}


def _render(options: Options) -> tuple[Operation, ...]:
    name = options["name"]
    sources, old, keyring, pins = (
        f"/etc/apt/sources.list.d/{name}.sources",
        f"/etc/apt/sources.list.d/{name}.list",
        f"/etc/apt/keyrings/{name}.gpg",
        f"/etc/apt/preferences.d/{name}.pref",
    )
    if options["state"] == "absent":
        armored = f"/etc/apt/keyrings/{name}.asc"
        return (Run(f"rm -f -- {shlex.join([sources, old, keyring, armored, pins])}\n"),)
    contents = {"sources": _sources(options, options.get("signed_by", keyring))}
    files = {}
    script = f"[ -d /etc/apt/sources.list.d ] || {fail('the image has no apt', 'this step is for Debian and Ubuntu')}\n"
    if "signed_by" in options:
        missing = fail(
            f"the keyring {options['signed_by']} does not exist in the image", "put it there before this step"
        )
        script += f"[ -f {shlex.quote(options['signed_by'])} ] || {missing}\nrm -f -- {keyring}\n"
    else:
        if "key_src" in options:
            files["key"] = options["key_src"]
        elif "key" in options:
            contents["key"] = options["key"]
        fetches = "key_url" in options
        script += apt_key.fetch(options["key_url"], options["key_checksum"]) if fetches else "key=$FILES/key\n"
        script += apt_key.install(keyring)
        script += 'rm -rf -- "$fetched"\n' if fetches else ""
    if "pin_priority" in options:
        contents["pins"] = _pins(options)
        script += f'install -m 0644 -- "$FILES/pins" {pins}\n'
    else:
        script += f"rm -f -- {pins}\n"
    # apt would read both, and refuse them where their keys differ.
    script += f'install -m 0644 -- "$FILES/sources" {sources}\nrm -f -- {old}\n'
    return (Run(script, files=files, contents=contents, network="key_url" in options),)


def _sources(options: Options, keyring: str) -> str:
    fields = {
        "Types": options["types"],
        "URIs": options["uris"],
        "Suites": options["suites"],
        "Components": options["components"],
        "Architectures": options["architectures"],
        "Signed-By": [keyring],
    }
    return "".join(f"{name}: {' '.join(words)}\n" for name, words in fields.items() if words)


def _pins(options: Options) -> str:
    hosts = dict.fromkeys(urlsplit(uri).hostname or '""' for uri in options["uris"])
    pins = [options["pin"]] if "pin" in options else [f"origin {host}" for host in hosts]
    return "\n".join(
        f"Package: {' '.join(options['pin_packages'])}\nPin: {pin}\nPin-Priority: {options['pin_priority']}\n"
        for pin in pins
    )


KIND = StepKind(
    name="apt_repository",
    description="""
        Add a repository that packages come from: C(/etc/apt/sources.list.d/NAME.sources) in the format deb822, which
        trusts its own key only. The package lists are refreshed by the step that next installs something, and the
        build stops there when the key is not the repository's.
    """,
    options={
        "name": {
            "type": "str",
            "required": True,
            "description": "What the repository's files in the image are called, without C(.sources).",
        },
        "state": {
            "type": "str",
            "choices": ["present", "absent"],
            "default": "present",
            "description": "V(absent) removes the repository of this name, its key and its pinning.",
        },
        "uris": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Where it is, such as V(https://download.docker.com/linux/ubuntu).",
        },
        "suites": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Its suites, such as V(noble) or V(stable), or a directory with a slash at its end.",
        },
        "components": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Its components, such as V(main).",
        },
        "architectures": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": "Architectures to take packages of; those of the image where it is empty.",
        },
        "types": {
            "type": "list",
            "elements": "str",
            "choices": ["deb", "deb-src"],
            "default": ["deb"],
            "description": "V(deb) for packages, V(deb-src) for their sources.",
        },
        "key": {
            "type": "str",
            "no_log": False,
            "description": "The public key that the repository is signed with, armored.",
        },
        "key_src": {
            "type": "str",
            "no_log": False,
            "description": "The same as a file, armored or binary, which is found as in C(upload).",
        },
        "remote_src": {**REMOTE_SRC_OPTION, "description": "Whether O(key_src) is a path on the target."},
        "key_url": {
            "type": "str",
            "no_log": False,
            "description": "The same as a URL, which apt fetches inside the image. It needs O(key_checksum).",
        },
        "key_checksum": {
            "type": "str",
            "no_log": False,
            "description": "SHA-256 of what O(key_url) has to yield, as V(sha256:…) or digits alone.",
        },
        "signed_by": {
            "type": "str",
            "description": """
                Keyring that is in the image, such as the distribution's own below C(/usr/share/keyrings), instead of a
                key of the repository's own.
            """,
        },
        "pin_priority": {
            "type": "int",
            "description": """
                Priority of O(pin_packages) where they come from this repository, as in apt_preferences(5): 500 is that
                of all repositories, 100 is asked last, above 1000 may downgrade, -1 is never taken.
            """,
        },
        "pin_packages": {
            "type": "list",
            "elements": "str",
            "default": ["*"],
            "description": "Packages that O(pin_priority) is for, by name or glob.",
        },
        "pin": {
            "type": "str",
            "description": """
                What tells the repository in O(pin_priority), such as V(release o=Docker). Without it, the hosts of
                O(uris).
            """,
        },
    },
    files={"key_src": FILE},
    example="""\
- apt_repository:
    name: docker
    uris: [https://download.docker.com/linux/ubuntu]
    suites: [noble]
    components: [stable]
    key_src: docker.asc
    pin_priority: 100
- apt_repository:
    name: backports
    uris: [http://archive.ubuntu.com/ubuntu]
    suites: [noble-backports]
    components: [main, universe]
    signed_by: /usr/share/keyrings/ubuntu-archive-keyring.gpg
- packages:
    install: [docker-ce]
""",
    check=_check,
    render=_render,
)
