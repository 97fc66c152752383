# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of virt-customize 1.40 to 1.56, and how its command line is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..common.errors import BadRequestError
from .model import LOOK_AT, NOT_NEEDED, NOT_TURNED, Place
from .text import Text

OPERATIONS = {
    **dict.fromkeys(
        (
            *("append-line", "chmod", "chown", "commands-from-file", "copy", "copy-in", "delete", "edit", "firstboot"),
            *("firstboot-command", "firstboot-install", "hostname", "install", "link", "mkdir", "move", "password"),
            *("root-password", "run", "run-command", "scrub", "ssh-inject", "tar-in", "timezone", "touch", "truncate"),
            *("truncate-recursive", "uninstall", "upload", "write"),
        ),
        True,
    ),
    "update": False,
}
"""What is turned into steps, and whether it takes a value."""

SETTINGS = {"add": True, "memsize": True, "smp": True, "network": False, "no-network": False, "password-crypto": True}
"""What is turned into options of the module, and of the step ``password``."""

SILENT = {
    **dict.fromkeys(("color", "colors", "colour", "colours", "quiet", "wrap", "debug-gc"), False),
    **dict.fromkeys(("help", "version", "long-options", "short-options"), False),
}
"""What has to do with the terminal alone."""


@dataclass(frozen=True)
class Told:
    """An option that is not in the recipe, and what is said about it."""

    takes_value: bool
    kind: str
    cause: str
    way_out: str = ""


_SELINUX = "images of Debian and Ubuntu have no SELinux labels"
_SELINUX_WAY = "Nothing is to be done for these; bases of other distributions are not customised"
_ENCRYPTED = Told(
    True, NOT_TURNED, "bases whose disk is encrypted are not customised", "Start from an image that is not encrypted"
)
_SUBSCRIPTION = "Red Hat's subscriptions are not for images of Debian and Ubuntu"
_WINDOWS = Told(True, NOT_TURNED, "it is for Windows, and bases are images of Debian and Ubuntu")
_ATTACH = "no further disk is attached to a build"
_DOMAIN = "golden images are made from an image file, and no domain's disk is changed"
_DOMAIN_WAY = "Give the file as base, and let new guests start from the golden image"

TOLD = {
    "attach": Told(True, NOT_TURNED, _ATTACH, "Put the files into the image with a step upload, copy_in or deb"),
    "attach-format": Told(True, NOT_NEEDED, _ATTACH),
    "connect": Told(True, NOT_NEEDED, "the base is a file, and libvirt is not asked for it"),
    "domain": Told(True, NOT_TURNED, _DOMAIN, _DOMAIN_WAY),
    "dryrun": Told(False, NOT_NEEDED, "check mode shows what would be done", "Run the play with --check --diff"),
    "echo-keys": Told(False, NOT_NEEDED, "nothing is asked for on a terminal"),
    "format": Told(
        True, LOOK_AT, "the base's format is read from the file, and a raw base has to be a file of its own"
    ),
    "inject-blnsvr": _WINDOWS,
    "inject-qemu-ga": _WINDOWS,
    "inject-virtio-win": _WINDOWS,
    "key": _ENCRYPTED,
    "keys-from-stdin": Told(False, NOT_TURNED, _ENCRYPTED.cause, _ENCRYPTED.way_out),
    "no-logfile": Told(False, NOT_NEEDED, "a build leaves no log in the image"),
    "no-selinux-relabel": Told(False, NOT_NEEDED, _SELINUX),
    "selinux-relabel": Told(False, NOT_TURNED, _SELINUX, _SELINUX_WAY),
    "selinux-relabel-at-boot": Told(False, NOT_TURNED, _SELINUX, _SELINUX_WAY),
    "selinux-relabel-exclude": Told(True, NOT_TURNED, _SELINUX, _SELINUX_WAY),
    "sm-attach": Told(True, NOT_TURNED, _SUBSCRIPTION),
    "sm-credentials": Told(True, NOT_TURNED, _SUBSCRIPTION),
    "sm-register": Told(False, NOT_TURNED, _SUBSCRIPTION),
    "sm-remove": Told(False, NOT_TURNED, _SUBSCRIPTION),
    "sm-unregister": Told(False, NOT_TURNED, _SUBSCRIPTION),
    "verbose": Told(False, NOT_NEEDED, "the build log is kept beside the build record"),
    "x": Told(False, NOT_NEEDED, "the build log is kept beside the build record"),
}
"""What is not in the recipe."""

_ALIASES = {"dry-run": "dryrun"}
_SHORT = dict(zip("acdmnqvVx", ("add", "connect", "domain", "memsize", "dryrun", "quiet", "verbose", "version", "x")))
_VALUES = {**OPERATIONS, **SETTINGS, **SILENT, **{name: told.takes_value for name, told in TOLD.items()}}
NAMES = frozenset(_VALUES) | frozenset(_ALIASES)
"""Every long option."""


@dataclass(frozen=True)
class Argument:
    """An option as it was given; without a name, a word that belongs to none."""

    name: str
    value: Text
    place: Place


def read(words: Sequence[tuple[Text, Place]]) -> Iterator[Argument | tuple[Place, Text, BadRequestError]]:
    """The options of a command line, as getopt_long_only(3) has them; what cannot be read comes with its error."""
    waiting = list(words)
    while waiting:
        word, place = waiting.pop(0)
        if not word.head.startswith("-") or word.literal == "-":
            yield Argument("", word, place)
            continue
        if word.literal == "--":
            yield from (Argument("", rest, where) for rest, where in waiting)
            return
        try:
            name, value = _option(word)
        except BadRequestError as error:
            yield place, word, error
            continue
        if _VALUES[name] and value is None:
            if not waiting:
                yield place, word, BadRequestError("its value is missing", "Give the whole command")
                return
            value = waiting.pop(0)[0]
        yield Argument(name, value or Text(), place)


def _option(word: Text) -> tuple[str, Text | None]:
    """Name and attached value of an option; several short ones in one word are not told apart."""
    written, *attached = word.split("=", 1)
    given = written.literal or ""
    name = given.lstrip("-")
    if name in _SHORT and not given.startswith("--"):
        return _SHORT[name], attached[0] if attached else None
    matching = {name} if name in NAMES else {known for known in NAMES if name and known.startswith(name)}
    meant = {_ALIASES.get(found, found) for found in matching}
    if len(meant) == 1:
        return meant.pop(), attached[0] if attached else None
    short = word.head[1:2]
    if not word.head.startswith("--") and _VALUES.get(_SHORT.get(short, ""), False):
        return _SHORT[short], Text.of(word.head[2:], *word.parts[1:])
    if meant:
        raise BadRequestError(f"it may be {' or '.join(sorted(meant))}", "Write the option's whole name")
    raise BadRequestError(
        "it is not an option of virt-customize 1.40 to 1.56", "See to what it does, and write the step that does it"
    )
