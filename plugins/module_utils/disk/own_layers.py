# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image with all that lies below it, where that is files of this host."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ..common.errors import VerificationError
from ..common.host import Host
from . import qemu_img
from .qemu_img import ImageInfo

_PROTOCOL = re.compile("[A-Za-z][A-Za-z0-9+.-]*:")
"""With that a name is no file's to QEMU: it may be a URL, a device or a whole graph of drivers."""
_DEEPEST = 64


def own_layers(host: Host, path: str, image_format: str | None = None) -> Sequence[ImageInfo]:
    """The image at ``path``, and below it what it is an overlay of.

    Names are followed by what the headers say, and nothing is opened that is not a disk image on this host: qemu-img
    would connect to whatever a header names. ``image_format`` is what the owner of the image says it is; a raw disk
    has nothing below it, whatever a guest has written to its beginning. Raises VerificationError or StoreError.
    """
    layers: list[ImageInfo] = []
    place = os.path.realpath(path)
    while True:
        if any(layer.path == place for layer in layers) or len(layers) == _DEEPEST:
            raise VerificationError(f"{path} lies over itself: its backing files lead back to {place}", _ANOTHER)
        if image_format == "raw":
            return [*layers, qemu_img.open_info(host, place, "raw")]
        found = qemu_img.inspect(host, place, expected_format=image_format)
        if found.data_file is not None:
            raise VerificationError(f"{place} has its data in {found.data_file}, which is not read", _ANOTHER)
        if found.backing_file is None:
            return [*layers, found]
        layers.append(qemu_img.open_info(host, place, found.format))
        place, image_format = _below(place, found.backing_file), None


def _below(place: str, name: str) -> str:
    """The path of a backing file, which a relative name means beside the overlay."""
    if _PROTOCOL.match(name):
        raise VerificationError(f"{place} lies over {name}, which is no file of this host", _ANOTHER)
    found = os.path.realpath(os.path.join(os.path.dirname(place), name))
    if not os.path.isfile(found):
        raise VerificationError(f"{place} lies over {found}, which is not there", _ANOTHER)
    # Not a word of what is in it: a header from elsewhere can name any file.
    if not qemu_img.read_header(found).format:
        raise VerificationError(f"{place} lies over {found}, which is not a disk image", _ANOTHER)
    return found


_ANOTHER = "Take an image that is whole in itself; qemu-img convert -O qcow2 makes one, where this came from"
