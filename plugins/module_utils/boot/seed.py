# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NoCloud seed, made of what the user wrote.

What cloud-init would pass over in silence, or with a line in the log of a guest that nobody can log in to, is refused.
"""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..common.errors import BadRequestError
from ..common.yaml_text import document, yaml_of

LABEL = "cidata"
"""The volume's label, by which cloud-init finds a seed."""

CLOUD_CONFIG = "#cloud-config"
_ARCHIVE = "#cloud-config-archive"
_SCRIPT = "#!"
_BOOTHOOK = "#cloud-boothook"
_JSONP = "#cloud-config-jsonp"
_JINJA = "## template: jinja"
_MIME = "MIME-Version:"
# Longer ones first, as cloud-init compares them.
_HEADERS = (
    *(_ARCHIVE, _JSONP, _JINJA, _BOOTHOOK, "#include-once", "#part-handler"),
    *(CLOUD_CONFIG, "#include", _SCRIPT),
)
_BEHIND_JINJA = (CLOUD_CONFIG, _JSONP, _BOOTHOOK, _SCRIPT)
"""What cloud-init takes where a Jinja template was before."""
_MIME_WITHIN = 4096
"""How many characters cloud-init looks through for the header of a MIME message."""
_NEARLY_CLOUD_CONFIG = re.compile(r"\ufeff?\s*#+\s*cloud[-_ ]?config\b", re.IGNORECASE)
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_NETPLAN = (
    *("version", "renderer", "ethernets", "bonds", "bridges", "vlans", "wifis", "modems", "tunnels", "vrfs"),
    *("nm-devices", "dummy-devices", "virtual-ethernets", "openvswitch"),
)
_FIRST_LINE = "# By goldsmith.kvm."
_SPECIFIC = (("instance_id", "instance-id"), ("local_hostname", "local-hostname"))


@dataclass(frozen=True)
class Seed:
    """The files of a NoCloud seed. cloud-init takes none without the first two."""

    user_data: bytes
    meta_data: bytes
    network_config: bytes | None = None
    vendor_data: bytes | None = None

    def files(self) -> dict[str, bytes]:
        """The files by the names that cloud-init looks for."""
        every: Mapping[str, bytes | None] = {
            "meta-data": self.meta_data,
            "network-config": self.network_config,
            "user-data": self.user_data,
            "vendor-data": self.vendor_data,
        }
        return {name: content for name, content in every.items() if content is not None}


class NotYamlError(Exception):
    """A text is no YAML; lines and columns count from one."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column


Parse = Callable[[str], t.Any]
"""Reads YAML, or raises NotYamlError, whose problem repeats nothing of the text: that may be secret."""


def seed_from(options: Mapping[str, t.Any], name: str, parse: Parse | None = None) -> Seed:
    """The seed that the options of ``seed_iso`` ask for; each may be left out.

    ``name`` is the instance id where the options have none. Without ``parse`` it is not looked into texts of YAML.
    Raises BadRequestError.
    """
    user_data = options.get("user_data")
    network_config = options.get("network_config")
    vendor_data = options.get("vendor_data")
    return Seed(
        user_data=_user_data("user_data", {} if user_data is None else user_data, parse),
        meta_data=_meta_data(options, name, parse),
        network_config=None if network_config is None else _network_config(network_config, parse),
        vendor_data=None if vendor_data is None else _user_data("vendor_data", vendor_data, parse),
    )


def header_of(text: str) -> str | None:
    """What tells cloud-init the kind of user data, such as ``#cloud-config``; None where it would not know it."""
    if _MIME.lower() in text[:_MIME_WITHIN].lower():
        return _MIME
    beginning = text.lstrip().lower()
    return next((header for header in _HEADERS if beginning.startswith(header)), None)


def _user_data(option: str, value: t.Any, parse: Parse | None) -> bytes:
    if isinstance(value, Mapping):
        return yaml_of(document(option, value), CLOUD_CONFIG).encode()
    text = _text(option, value)
    header = header_of(text)
    if header is None:
        if _NEARLY_CLOUD_CONFIG.match(text):
            raise BadRequestError(
                f"{option} does not begin with {CLOUD_CONFIG}, but with something like it, which cloud-init ignores",
                f"Write {CLOUD_CONFIG}, without a blank or a byte order mark, as its first line",
            )
        raise BadRequestError(
            f"{option} does not begin with a line that tells cloud-init what it is, so that cloud-init would ignore it",
            f"Begin it with {CLOUD_CONFIG} if it is cloud-config, with #!/bin/sh or the like if it is a script, or "
            "give a dictionary instead of a text",
        )
    if header == _SCRIPT and not text.startswith(_SCRIPT):
        raise BadRequestError(
            f"{option} is a script with something before its #!, so that no guest can execute it",
            f"Begin it with {_SCRIPT}, without a blank or an empty line before",
        )
    if header == _JINJA:
        _require_header_behind_jinja(option, text.lstrip().partition("\n")[2].lstrip())
    if header == CLOUD_CONFIG and parse is not None:
        _require(option, _parsed(option, text, parse) or {}, Mapping, "a dictionary")
    if header == _ARCHIVE and parse is not None:
        _require(option, _parsed(option, text, parse), list, "a list")
    return _encoded(option, text)


def _require_header_behind_jinja(option: str, template: str) -> None:
    # What comes of an expression or a statement is known in the guest alone.
    if not template.startswith("{") and header_of(template) not in _BEHIND_JINJA:
        raise BadRequestError(
            f"{option} has no line behind {_JINJA} that tells cloud-init what it is, which would ignore it",
            f"Write {CLOUD_CONFIG} there, or #!/bin/sh or the like",
        )


def _meta_data(options: Mapping[str, t.Any], name: str, parse: Parse | None) -> bytes:
    value = options.get("meta_data")
    specific = {key: options[option] for option, key in _SPECIFIC if options.get(option) is not None}
    if value is not None and not isinstance(value, Mapping):
        text = _text("meta_data", value)
        for option, key in _SPECIFIC:
            if key in specific:
                raise BadRequestError(
                    f"{option} cannot stand beside a meta_data that is a text", "Write it there, or give a dictionary"
                )
        if parse is not None:
            written = _parsed("meta_data", text, parse) or {}
            _require("meta_data", written, Mapping, "a dictionary")
            if "instance-id" not in written and "seedfrom" not in written:
                raise BadRequestError(
                    "meta_data is a text without instance-id, so that cloud-init would take all such guests for one",
                    f"Write `instance-id: {name}` or the like into it, or give a dictionary instead of a text",
                )
            _require_names(written)
        return _encoded("meta_data", text)
    meta_data = dict(document("meta_data", value or {}))
    _require_names(specific)
    for option, key in _SPECIFIC:
        if key in specific and str(meta_data.setdefault(key, str(specific[key]))) != str(specific[key]):
            raise BadRequestError(f"{option} and meta_data.{key} are both given, and differ", "Leave out one of them")
    meta_data.setdefault("instance-id", name)
    _require_names(meta_data)
    return yaml_of(meta_data, _FIRST_LINE).encode()


def _require_names(meta_data: Mapping[str, t.Any]) -> None:
    """Raise BadRequestError where the instance id or the host's name is there, and is none."""
    if "instance-id" in meta_data:
        identity = meta_data["instance-id"]
        if str(identity or "").strip() == "":
            raise BadRequestError(
                "the instance id is empty", "Give one, such as the name of the guest, or leave it out"
            )
        if not (_is_scalar(identity) and str(identity).isprintable()):
            raise BadRequestError(
                "the instance id is no text of one line",
                "Give one, such as the name of the guest; quote what YAML takes for something else, such as yes",
            )
    hostname = meta_data.get("local-hostname")
    if hostname is not None and not (_is_scalar(hostname) and _HOSTNAME.fullmatch(str(hostname))):
        raise BadRequestError(
            "the local hostname is no name of a host",
            "Use letters, digits, `-` and `.`: up to 63 between two points, beginning and ending with a letter or a "
            "digit; quote what YAML takes for something else, such as yes",
        )


def _is_scalar(value: t.Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _network_config(value: t.Any, parse: Parse | None) -> bytes:
    if isinstance(value, Mapping):
        config = document("network_config", value)
        if set(config) == {"network"} and isinstance(config["network"], Mapping):
            # netplan's own files have it around all; not every cloud-init takes that here.
            config = config["network"]
        _require_version(config)
        return yaml_of(config, _FIRST_LINE).encode()
    text = _text("network_config", value)
    if parse is not None:
        config = _parsed("network_config", text, parse)
        _require("network_config", config, Mapping, "a dictionary")
        if set(config) == {"network"}:
            raise BadRequestError(
                "network_config has `network:` around all, as in netplan's files, and not every cloud-init takes that",
                "Leave out that line, and indent the others less; or give a dictionary instead of a text",
            )
        _require_version(config)
    return _encoded("network_config", text)


def _require_version(config: Mapping[str, t.Any]) -> None:
    if config.get("config") == "disabled":
        return
    version = config.get("version")
    if version not in (1, 2) or not isinstance(version, int) or isinstance(version, bool):
        raise BadRequestError(
            "network_config has no version" if version is None else "network_config.version is neither 1 nor 2",
            "Give version: 2, without quotes, and what netplan knows, such as ethernets; or version: 1 and config",
        )
    if version == 1 and not isinstance(config.get("config"), list):
        raise BadRequestError(
            "network_config has version 1, and no list config", "Give config, or version: 2 and what netplan knows"
        )
    for key in config if version == 2 else ():
        # A later netplan may know more: it is these that must not be misspelt.
        near = difflib.get_close_matches(str(key), _NETPLAN, n=1, cutoff=0.75)
        if near and key not in _NETPLAN:
            raise BadRequestError(f"network_config.{key} is not a key of netplan; {near[0]} is", "Correct it")


def _text(option: str, value: t.Any) -> str:
    if not isinstance(value, str):
        raise BadRequestError(f"{option} is neither a dictionary nor a text", "Give one of them")
    if not value.strip():
        raise BadRequestError(f"{option} is empty", "Leave it out")
    return value


def _encoded(option: str, text: str) -> bytes:
    try:
        # What comes from files that are not UTF-8 goes as it came.
        return (text if text.endswith("\n") else f"{text}\n").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadRequestError(f"{option} has half a character, a surrogate, in it", "Look at its encoding") from error


def _parsed(option: str, text: str, parse: Parse) -> t.Any:
    try:
        return parse(text)
    except NotYamlError as error:
        raise BadRequestError(
            f"{option} is no YAML: line {error.line}, column {error.column}: {error.problem}",
            "Correct it there, or the line before; cloud-init would ignore all of it",
        ) from None


def _require(option: str, value: t.Any, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        raise BadRequestError(f"{option} has to be {name} of YAML, and is something else", "See cloud-init's examples")
