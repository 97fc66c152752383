# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which golden images were made from what the store holds.

Golden images lie wherever their users want them. The store keeps a note of each, so that it can tell what is still
needed without searching the disks.
"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass

from .files import read_record, remove_file, write_json
from .layout import Layout, name_of

_KIND = "golden"


@dataclass(frozen=True)
class GoldenImage:
    """A golden image that was made from an image of the store."""

    image_path: str
    record_path: str
    """Its build record, the JSON beside it."""
    base_digest: str
    """``sha256:…`` of the image that it was made from."""

    @property
    def exists(self) -> bool:
        return os.path.lexists(self.image_path)


def register_golden(layout: Layout, *, record_path: str, image_path: str, base_digest: str) -> None:
    """Note that the golden image at ``image_path`` was made from the image with ``base_digest``."""
    golden = GoldenImage(os.path.abspath(image_path), os.path.abspath(record_path), base_digest)
    write_json(layout.record(_KIND, name_of(golden.image_path)), asdict(golden))


def golden_images(layout: Layout, gone: Container[str] = ()) -> list[GoldenImage]:
    """Every golden image that was registered and still exists, by path; not those whose resolved path is ``gone``."""
    existing = (golden for golden in registered_images(layout) if golden.exists)
    return [golden for golden in existing if os.path.realpath(golden.image_path) not in gone]


def registered_images(layout: Layout) -> list[GoldenImage]:
    """Every golden image that was registered, by path; some may be gone."""
    records = (read_record(path, _golden_image) for path in layout.records_of(_KIND))
    return sorted((golden for golden in records if golden is not None), key=lambda golden: golden.image_path)


def forget_golden(layout: Layout, golden: GoldenImage) -> None:
    """Delete the note of a golden image."""
    remove_file(layout.record_path(_KIND, name_of(golden.image_path)))


def _golden_image(document: Mapping[str, str]) -> GoldenImage:
    return GoldenImage(document["image_path"], document["record_path"], document["base_digest"])
