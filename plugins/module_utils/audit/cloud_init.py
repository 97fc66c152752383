# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud-init in a clone will do, as far as it matters whether a file is of another machine.

The step ``generalise`` finds out the same, in the image.
"""

from __future__ import annotations

import re

from .model import Context

_PROGRAMS = ("/usr/bin/cloud-init", "/bin/cloud-init", "/usr/local/bin/cloud-init")
_DISABLED = "/etc/cloud/cloud-init.disabled"
_CONFIGURATION = ("/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*.cfg")
_KERNEL_ARGUMENTS = ("/etc/default/grub", "/etc/default/grub.d/*.cfg", "/boot/grub/grub.cfg", "/etc/kernel/cmdline")
_UNITS = ("/etc/systemd/system/*.wants/", "/usr/lib/systemd/system/*.wants/", "/lib/systemd/system/*.wants/")
_STAGES = (("cloud-init-local.service",), ("cloud-init.service", "cloud-init-network.service"))
_NETWORK_DISABLED = re.compile(r"""^[^#\n]*\bconfig["']?:\s*["']?disabled\b""", re.MULTILINE)


def runs(context: Context) -> bool:
    """Whether it is there, and neither disabled nor masked."""
    if not any(path in context.by_path for path in _PROGRAMS) or _DISABLED in context.by_path:
        return False
    if _is_argument(context, "cloud-init=disabled"):
        return False
    return all(any(_is_wanted(context, unit) for unit in units) for units in _STAGES)


def writes_network(context: Context) -> bool:
    """Whether it writes the configuration of the network as well."""
    configured = _has(context, _NETWORK_DISABLED, *_CONFIGURATION)
    return runs(context) and not configured and not _is_argument(context, "network-config=disabled")


def _is_wanted(context: Context, unit: str) -> bool:
    mask = context.by_path.get(f"/etc/systemd/system/{unit}")
    if mask is not None and mask.target == "/dev/null":
        return False
    return any(context.matching(*(f"{directory}{unit}" for directory in _UNITS), types=("link", "file")))


def _is_argument(context: Context, argument: str) -> bool:
    return _has(context, re.compile(rf"^[^#\n]*\b{argument}\b", re.MULTILINE), *_KERNEL_ARGUMENTS)


def _has(context: Context, pattern: re.Pattern[str], *files: str) -> bool:
    return any(pattern.search(context.text(entry.path)) for entry in context.matching(*files))
