# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that an image on this host consists of."""

from __future__ import annotations

import json
import os

from ..common.errors import CommandError
from ..common.host import Host
from .qemu_img import PACKAGE

_TIMEOUT = 60


def chain_of(host: Host, path: str, image_format: str) -> list[str]:
    """Resolved paths of the image and of all that lies below it, data files among them; also while a guest runs on it.

    A raw image has nothing below it, whatever its guest has written into it: ``image_format`` is what its owner says.
    Raises CommandError (a part of the chain is missing or unreadable) or MissingProgramError.
    """
    if image_format == "raw":
        return [os.path.realpath(path)]
    qemu_img = host.require("qemu-img", PACKAGE)
    argv = [qemu_img, "info", "-f", image_format, "--backing-chain", "--force-share", "--output=json", path]
    files = []
    for layer in json.loads(host.run(argv, timeout=_TIMEOUT).checked().stdout):
        data_file = layer.get("format-specific", {}).get("data", {}).get("data-file")
        directory = os.path.dirname(layer["filename"])
        names = [layer["filename"], *([os.path.join(directory, data_file)] if data_file else [])]
        for name in names:
            if not os.path.exists(name):
                raise CommandError(f"the backing chain of {path} leads to {name}, which is no file of this host")
            files.append(os.path.realpath(name))
    return files
