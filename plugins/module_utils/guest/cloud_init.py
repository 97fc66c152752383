# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud-init in a guest will do, as far as its configuration says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .tree import Tree

_CONFIG = "/etc/cloud/cloud.cfg"
_CONFIG_DIRECTORY = "/etc/cloud/cloud.cfg.d"
_DS_IDENTIFY = "/etc/cloud/ds-identify.cfg"
_DISABLED = "/etc/cloud/cloud-init.disabled"
_INSTANCE_ID = "/var/lib/cloud/data/instance-id"
_KEY = re.compile(r"datasource_list[ \t]*:(?P<rest>.*)")
_ITEM = re.compile(r"[ \t]*-[ \t]+(?P<name>[^#]*?)[ \t]*(?:#.*)?")


@dataclass(frozen=True)
class CloudInit:
    """Of a guest that has cloud-init."""

    datasources: Sequence[str] | None
    """What its configuration lists; None where it leaves that to cloud-init."""
    datasources_from: str | None
    """The file that has the last word."""
    datasource: str | None
    """The one that ds-identify.cfg names."""
    disabled: bool
    instance_id: str | None
    """Of the instance that last ran here; an image that is cloned should have none."""


def read_cloud_init(tree: Tree) -> CloudInit | None:
    """None where the guest has no configuration of cloud-init's."""
    main = tree.text(_CONFIG)
    if main is None:
        return None
    # cloud-init reads them in the order of their names, and the last wins; the main one comes before all.
    names = sorted(entry.path for entry in tree.list(_CONFIG_DIRECTORY) if entry.path.endswith(".cfg"))
    contents = tree.read_many(names)
    texts = [(_CONFIG, main)]
    texts += [(path, contents[path].decode("utf-8", "replace")) for path in names if path in contents]
    datasources, source = effective_datasources(texts)
    instance = tree.text(_INSTANCE_ID)
    return CloudInit(
        datasources=datasources,
        datasources_from=source,
        datasource=parse_ds_identify(tree.text(_DS_IDENTIFY) or ""),
        disabled=tree.entry(_DISABLED) is not None,
        instance_id=(instance.strip() or None) if instance is not None else None,
    )


def effective_datasources(texts: Iterable[tuple[str, str]]) -> tuple[list[str] | None, str | None]:
    """The list that counts, and the path of its file; ``texts`` are paths and contents, the last of which wins."""
    found: tuple[list[str] | None, str | None] = (None, None)
    for path, text in texts:
        listed = parse_datasource_list(text)
        if listed is not None:
            found = (listed, path)
    return found


def parse_datasource_list(text: str) -> list[str] | None:
    """The value of ``datasource_list`` at the top of a YAML document, however the list is written; None without it.

    Targets need not have a library for YAML. ds-identify, in the guest, reads this key by itself, too.
    """
    lines = text.splitlines()
    found = None
    for number, line in enumerate(lines):
        match = _KEY.fullmatch(line)
        if match is None:
            continue
        rest = re.sub(r"(^|[ \t])#.*", "", match["rest"]).strip()
        following = lines[number + 1 :]
        if rest.startswith("["):
            found = _flow(rest, following)
        elif not rest:
            found = _block(following)
        else:
            found = [] if rest in ("null", "~") else [_plain(rest)]
    return found


def parse_ds_identify(text: str) -> str | None:
    """The ``datasource`` of ds-identify.cfg."""
    found = re.findall(r"^[ \t]*datasource:[ \t]*([^\s#]+)", text, re.MULTILINE)
    return _plain(found[-1]) if found else None


def _flow(text: str, following: Iterable[str]) -> list[str]:
    """``[a, b]``, which may go on in the lines below."""
    for line in following:
        if "]" in text:
            break
        text += " " + re.sub(r"(^|[ \t])#.*", "", line)
    inside = text.partition("[")[2].partition("]")[0]
    return [_plain(item) for item in inside.split(",") if item.strip()]


def _block(following: Iterable[str]) -> list[str]:
    found = []
    for line in following:
        match = _ITEM.fullmatch(line)
        if match:
            found.append(_plain(match["name"]))
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return found


def _plain(text: str) -> str:
    return text.strip().strip("\"'")
