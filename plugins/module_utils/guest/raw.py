# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of any format as a raw file, for as long as somebody looks into it.

Nothing is mounted: no root is needed, nothing can stay behind, and the host's kernel sees no file system of a guest.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator

from ..common.errors import BadRequestError, CommandError, StoreError
from ..common.host import Host
from ..common.space import require_free_space
from ..disk import qemu_img

_PACKAGE = "qemu-utils"
_COROUTINES = 16
"""What qemu-img allows at the most."""
_IN_USE = ("Failed to get", "lock")
"""Parts of what qemu-img says of an image that is open for writing elsewhere."""


@contextlib.contextmanager
def raw_view(host: Host, image: str, image_format: str, workdir: str) -> Iterator[str]:
    """Path of a raw file that shows the disk in ``image`` and all that lies below it; only to be read.

    A raw image is its own view. Of any other a sparse copy is made in ``workdir``. The copy has no name in any
    directory, so that nothing of it is left however this process ends; the path is good while the context is open.

    Raises BadRequestError (a guest runs on the image), VerificationError (it is damaged), StoreError (no room) or
    CommandError.
    """
    image = os.path.abspath(image)
    needed = _measure(host, image, image_format)
    if image_format == "raw":
        yield image
        return
    if image_format == "qcow2":
        # What is cut off reads as zeros.
        qemu_img.check(host, image)
    require_free_space(workdir, needed, f"A raw copy of {image}")
    try:
        file = tempfile.TemporaryFile(dir=workdir)  # noqa: SIM115
    except OSError as error:
        raise StoreError(
            f"no temporary file can be made in {workdir}: {error.strerror}", "Choose another workdir"
        ) from error
    with file:
        path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        argv = [host.require("qemu-img", _PACKAGE), "convert", "-q", "-f", image_format, "-O", "raw"]
        done = host.run([*argv, "-m", str(_COROUTINES), "-W", image, path])
        if "No space left on device" in done.stderr:
            raise StoreError(
                f"no space left in {workdir} for a raw copy of {image}",
                "Free some space there, or choose another workdir",
            )
        done.checked()
        yield path


def _measure(host: Host, image: str, image_format: str) -> int:
    """About how many bytes the disk's data are. It is not asked with force-share: what is written to cannot be read."""
    argv = [host.require("qemu-img", _PACKAGE), "measure", "-f", image_format, "-O", "qcow2", "--output=json", image]
    done = host.run(argv)
    if all(part in done.stderr for part in _IN_USE):
        raise BadRequestError(
            f"{image} is in use: a guest may be writing to it, so that its file systems cannot be read",
            "Shut the guest down first, or look at the image that its disk was made from",
        )
    if done.rc != 0:
        said = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise CommandError(
            f"qemu-img cannot read {image}: {said.replace('qemu-img: ', '', 1)}",
            f"See what `qemu-img info --backing-chain {image}` says",
        )
    return int(json.loads(done.stdout)["required"])
