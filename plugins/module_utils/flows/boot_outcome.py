# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a boot, in the words of results and errors."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..boot import console, evidence, machine
from ..boot.model import Boot, BootError, BootInterruptedError, BootOptions, Seconds
from ..boot.place import Place
from ..boot.watch import Watched
from ..common.errors import CommandError
from ..engine.masking import Mask

_LONG = 8
_SEE = "See the last lines of the console, which the result has under console"
_WAYS_OUT = {
    "firmware": "Put a boot loader for amd64 into the image, or choose the other firmware by the option firmware",
    "boot_loader": "Repair it in the image by update-grub or grub-install",
    "kernel": "Look at the kernel's arguments in the image, at root= and init= first",
    "initramfs": "Look at root= among the kernel's arguments, and at what update-initramfs puts in",
    "systemd": "Look at /etc/fstab and at the units that the console names, or raise timeout",
    "network": "Look at the image's network configuration and at network_config; QEMU has one virtio card, with DHCP",
    "cloud_init": "Look at what it waits for, or raise timeout",
}


def masked(watched: Watched, options: BootOptions) -> Watched:
    """Without what the seed may keep secret: guests print what they are told."""
    mask = Mask(_long_lines([options.user_data, options.network_config]))
    stuck = watched.stuck
    if stuck is not None:
        stuck = replace(stuck, reason=mask.text(stuck.reason), lines=tuple(map(mask.text, stuck.lines)))
    return replace(watched, console=mask.text(watched.console), stuck=stuck)


def _long_lines(value: t.Any) -> Iterator[str]:
    """The lines of all texts in ``value`` that are so long that nothing else is hidden with them."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            yield from _long_lines(element)
    elif value is not None:
        for line in map(str.strip, str(value).splitlines()):
            # Of a text the values behind keys and hyphens, too.
            texts = (line, line.partition(": ")[2], line.partition("- ")[2])
            yield from (text for text in (text.strip("\"' ") for text in texts) if len(text) >= _LONG)


def no_report(image: str, place: Place, watched: Watched, timeout: int) -> BootError | CommandError:
    """What to tell of a guest that did not report."""
    if watched.stuck is not None:
        over = watched.seconds > timeout
        what = f"did not boot within {timeout} seconds" if over else "does not boot"
        said = "".join(f"\n{line.rstrip('.')}" for line in watched.stuck.lines)
        return BootError(
            f"{image} {what}: {watched.stuck.reason}",
            (watched.stuck.way_out or _WAYS_OUT[watched.stuck.stage]) + (f". The console said:{said}" if said else ""),
            stage=watched.stuck.stage,
            console=watched.console,
        )
    said = machine.said(place)
    if not watched.console:
        return CommandError(
            f"QEMU could not start a guest with {image}: {said or 'it printed nothing'}",
            "Where this is about memory give less of it by memory; where it is about KVM set accel: tcg",
        )
    powered_off = machine.powered_off(place)
    reason = "the guest powered itself off" if powered_off else "QEMU was ended from outside"
    return (BootError if powered_off else BootInterruptedError)(
        f"{image} did not come to the end of its boot: {reason}{f' ({said})' if said else ''}",
        _SEE if powered_off else "See who ended it: somebody else, or the kernel, because memory ran out",
        stage=console.hung(watched.console).stage,
        console=watched.console,
    )


def outcome(found: evidence.Evidence, watched: Watched, *, firmware: str, accel: str, user: str | None) -> Boot:
    """What a guest has shown that reported."""
    return Boot(
        firmware=firmware,
        accel=accel,
        seconds=_seconds(found, watched),
        cloud_init=found.cloud_init,
        failed_units=found.failed_units,
        ordering_cycles=found.ordering_cycles,
        unfinished_jobs=found.unfinished_jobs,
        kernel=found.kernel,
        machine_id=found.machine_id,
        address=found.address,
        ssh_host_keys=found.host_keys,
        user=user,
        disk=found.disk,
    )


def _seconds(found: evidence.Evidence, watched: Watched) -> Seconds:
    """QEMU's start and the kernel's are seen from outside, the rest is systemd's."""
    kernel_at = None if found.uptime is None else max(0.0, watched.seconds - found.uptime)
    firmware_end = watched.firmware_seconds
    if kernel_at is not None and firmware_end is not None:
        firmware_end = min(firmware_end, kernel_at)
    first = found.initrd_at or found.userspace_at
    finished = found.finished_at

    def between(begin: float | None, end: float | None) -> float | None:
        return None if begin is None or end is None else round(end - begin, 3)

    return Seconds(
        firmware=between(0.0, firmware_end),
        loader=between(firmware_end, kernel_at),
        kernel=between(0.0, first),
        initrd=between(found.initrd_at, found.userspace_at),
        userspace=between(found.userspace_at, finished),
        total=None if kernel_at is None or finished is None else round(kernel_at + finished, 3),
    )
