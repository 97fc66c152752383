# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the serial console says: how far a boot came, and what ended it. Pure.

SeaBIOS and GRUB are there by QEMU's ``graphics=off``, OVMF by itself, the kernel and systemd where the image has
``console=ttyS0``, as cloud images have, and cloud-init wherever systemd's console is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_CURSOR = re.compile(r"\x1b\[(?:[0-9]*J|[0-9;]*[Hf])")
"""Moves the cursor or clears."""
_WITHIN_LINE = re.compile(r";0*(?:[2-9]|[1-9][0-9]+)[Hf]")
"""SeaBIOS goes on in a line this way, where GRUB writes to its screen."""
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[@-Z\\-_a-z])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_LOADER = re.compile(r"^Booting from (?:Hard Disk|[0-9a-f]{4}:)|^BdsDxe: starting |^GRUB loading|^EFI stub:", re.M)
_KERNEL = re.compile(r"^(?:\[ *[0-9.]+\] )?Linux version ", re.M)
_FIRMWARE_BEGINS = re.compile(r"^SeaBIOS \(version|^BdsDxe: loading ")
_CLOUD_INIT = re.compile(r"Cloud-init v\. |cloud-init\[[0-9]+\]: ")
_CLOUD_INIT_STAGE = re.compile(r"Cloud-init v\. \S+ running '([a-z:-]+)'")
_CLOUD_INIT_END = re.compile(r"Cloud-init v\. \S+ finished at .*?Datasource DataSource(\w+)")
_JOB = re.compile(r"A (?:start|stop) job is running for (.+?)(?: \(| *$)|Job (\S+?)(?:/(?:start|stop)|…\S*) running \(")
_PANIC = re.compile(r"Kernel panic - not syncing")
_PANIC_END = re.compile(r"---\[ end Kernel panic")
"""Stands there when the kernel halts, and not when it starts the machine again."""
_PANIC_WAITS = re.compile(r"Rebooting in ([0-9]+) seconds")
_REGISTERS = re.compile(r"(?:Code|Hardware name): |R[A-Z0-9]{2}: |</?(?:TASK|IRQ)>|\] +\? ")
_LOGIN = re.compile(r"^\S+ login:")
_NETWORK_JOB = re.compile(r"Wait for Ne|Raise ne|Network Manager Wait|wait-onlin|^networking\.s")
_STAMP = re.compile(r"^\[ *[0-9]+\.[0-9]+\] ")
_REBOOTS = 4
"""Kernels that start before it is called a loop: an image may want to reboot once."""

_REACHED: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "boot_loader",
        re.compile(r"^Booting from Hard Disk|^BdsDxe: starting |^GRUB loading|Welcome to GRUB|^grub(?: r|>)"),
    ),
    ("kernel", re.compile(r"Linux version |^\[ *[0-9]+\.[0-9]+\] ")),
    ("initramfs", re.compile(r"^Loading, please wait|^Begin: |\(initramfs\)|dracut-|Run /init as init process")),
    ("systemd", re.compile(r"systemd\[1\]: |^Welcome to (?!GRUB)|^\[ *(?:OK|FAILED|DEPEND) *\] |^\S+ login:")),
    ("cloud_init", _CLOUD_INIT),
)

_DEAD_ENDS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("firmware", re.compile(r"^No bootable device"), "the firmware found no boot loader on the disk"),
    ("firmware", re.compile(r"^BdsDxe: No bootable option"), "the firmware found no boot loader on the disk"),
    ("firmware", re.compile(r"^UEFI Interactive Shell"), "the firmware found no boot loader on the disk"),
    ("boot_loader", re.compile(r"^grub rescue>"), "GRUB cannot find its own files, and waits at its rescue prompt"),
    ("boot_loader", re.compile(r"^grub>"), "GRUB found no configuration, and waits at its prompt"),
    ("boot_loader", re.compile(r"^error: you need to load the kernel first"), "GRUB could not load the kernel"),
    ("initramfs", re.compile(r"^\(initramfs\)"), "the initramfs gave up, and waits at its emergency shell"),
    (
        "initramfs",
        re.compile(r"^Entering emergency mode"),
        "the initramfs gave up, and waits in emergency mode",
    ),
    ("systemd", re.compile(r"^You are in (?:emergency|rescue) mode"), "systemd could not go on, and waits in {0} mode"),
    (
        "systemd",
        re.compile(r"^Cannot open access to console, the root account is locked"),
        "systemd could not go on, and waits in emergency mode",
    ),
)
_NO_SPACE = re.compile(r"cloud-init\[[0-9]+\]: .*No space left on device")
_FULL = "the disk is full, and cloud-init cannot work"
_FULL_WAY_OUT = "Build the image larger, put less into it, or boot it with disk_size"
_NO_DATASOURCE = "cloud-init found no datasource"
_DATASOURCE_WAY_OUT = "Let the image's datasource_list have NoCloud, or leave it out"
_NEVER_RAN = "the guest came to its login prompt, and cloud-init never ran"
_NEVER_RAN_WAY_OUT = (
    "Install cloud-init in the image, and see that neither /etc/cloud/cloud-init.disabled nor the kernel's arguments "
    "turn it off"
)
_NO_REPORT = "cloud-init has ended, and did not start the report of the boot check"
_NO_REPORT_WAY_OUT = (
    "The report is vendor data: leave out vendor_data: {enabled: false} in user_data and in the image's cloud.cfg"
)
_LAST_WORDS = 2.0
_RESTART = 15.0
"""Seconds from a kernel's end to the firmware's first words, emulated on a busy host."""
_SILENCE = 45.0
"""Seconds after which a report that should have begun will not."""
_SAID = re.compile(
    r"error|fail|alert|unable|cannot|not found|does not exist|no space|gave up|timed out|ordering cycle", re.I
)


@dataclass(frozen=True)
class Stuck:
    """Where a boot ended."""

    stage: str
    reason: str
    lines: tuple[str, ...] = ()
    """What the console says of it."""
    way_out: str = ""
    """Where there is a better one than for the stage."""
    grace: float = _LAST_WORDS
    """Seconds that it may take to say why, or to go on after all."""


def clean(raw: bytes | str) -> str:
    """The text of a console, line by line: without escape sequences, and as the last stroke left each line."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    text = _ESCAPE.sub("", _CURSOR.sub(_moved, text)).replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    lines = (_CONTROL.sub("", line).rstrip() for line in text.split("\n"))
    return "".join(f"{line}\n" for line in lines if line)


def _moved(cursor: re.Match[str]) -> str:
    return "" if _WITHIN_LINE.search(cursor[0]) else "\n"


def loader_began(text: str) -> bool:
    """Whether the firmware has handed over."""
    return bool(_LOADER.search(text) or _KERNEL.search(text))


def dead_end(text: str, *, reporting: bool = False) -> Stuck | None:
    """What keeps the boot from ever going on; None as long as it may. ``reporting``: the guest's report has begun."""
    lines = _since_last_start(text.splitlines())
    again_and_again = len(_KERNEL.findall(text)) >= _REBOOTS
    panicked = _panicked(text.splitlines() if again_and_again else lines)
    if panicked is not None:
        return replace(panicked, grace=_LAST_WORDS) if again_and_again else panicked
    for number, line in enumerate(lines):
        if _NO_SPACE.search(line):
            return Stuck("cloud_init", _FULL, _complaints(lines), _FULL_WAY_OUT)
        for stage, pattern, reason in _DEAD_ENDS:
            if pattern.search(line):
                mode = "rescue" if "rescue mode" in line else "emergency"
                return Stuck(stage, reason.format(mode), _complaints(lines[max(0, number - 40) : number + 1]))
    if again_and_again:
        return Stuck("systemd", "the guest reboots again and again")
    return None if reporting else _silent(lines)


def hung(text: str, *, reporting: bool = False) -> Stuck:
    """Where a boot was when its time was over. ``reporting`` as for :func:`dead_end`."""
    lines = _since_last_start(text.splitlines())
    stage = "firmware"
    for name, pattern in _REACHED:
        if any(pattern.search(line) for line in lines):
            stage = name
    silent = None if reporting else _silent(lines)
    if silent is not None:
        return silent
    jobs = _jobs(lines)
    if jobs and _NETWORK_JOB.search(jobs[-1]) and set(_stages(lines)) <= {"init-local"}:
        reason = f"the network did not come up, and systemd still waits for {jobs[-1]}"
        return Stuck("network", reason, _complaints(lines))
    return Stuck(stage, _reason(stage, lines), _complaints(lines))


def _reason(stage: str, lines: list[str]) -> str:
    jobs = _jobs(lines)
    if stage == "firmware":
        return "nothing came from the firmware" if not lines else "the firmware did not start a boot loader"
    if stage == "boot_loader":
        return "the boot loader did not start a kernel, or one that does not write to the serial console (ttyS0)"
    if stage == "kernel":
        return "the kernel started and did not come to its init"
    if stage == "initramfs":
        return "the initramfs did not find or mount the root file system"
    if stage == "systemd":
        waits = f", and still waits for {jobs[-1]}" if jobs else ""
        return f"systemd started{waits}, and cloud-init never ran"
    waits = f", while systemd waits for {jobs[-1]}" if jobs else ""
    return f"cloud-init did not come further than its stage {['init-local', *_stages(lines)][-1]}{waits}"


def _jobs(lines: list[str]) -> list[str]:
    """What systemd said that it waits for."""
    return [found[1] or found[2] for found in map(_JOB.search, lines) if found]


def _stages(lines: list[str]) -> list[str]:
    """The stages that cloud-init began."""
    return [found[1] for found in map(_CLOUD_INIT_STAGE.search, lines) if found]


def _silent(lines: list[str]) -> Stuck | None:
    """Why a guest that has come to its end does not report."""
    ended = next((found for found in map(_CLOUD_INIT_END.search, lines) if found), None)
    if ended and ended[1] == "None":
        return Stuck("cloud_init", _NO_DATASOURCE, (), _DATASOURCE_WAY_OUT)
    if ended:
        return Stuck("cloud_init", _NO_REPORT, (), _NO_REPORT_WAY_OUT, _SILENCE)
    if any(map(_LOGIN.search, lines)) and not any(map(_CLOUD_INIT.search, lines)):
        return Stuck("cloud_init", _NEVER_RAN, _complaints(lines), _NEVER_RAN_WAY_OUT, _SILENCE)
    return None


def _panicked(lines: list[str]) -> Stuck | None:
    number = next((number for number, line in enumerate(lines) if _PANIC.search(line)), None)
    if number is None:
        return None
    reason = f"the kernel panicked: {_STAMP.sub('', lines[number]).rpartition('syncing: ')[2]}"
    after = lines[number:]
    # By panic= among its arguments a kernel starts the machine again, and the loader may try another way.
    waits = next((float(found[1]) for found in map(_PANIC_WAITS.search, after) if found), 0.0)
    halted = any(map(_PANIC_END.search, after))
    return Stuck("kernel", reason, _panic(lines, number), grace=_LAST_WORDS if halted else waits + _RESTART)


def _panic(lines: list[str], number: int) -> tuple[str, ...]:
    """The panic's lines: what led to it, the message, and the trace without registers and code."""
    first = number
    # The missing root device, for one, stands right before.
    while first > 0 and number - first < 5 and _STAMP.match(lines[first - 1]):
        first -= 1
    end = next((at for at in range(number, len(lines)) if _PANIC_END.search(lines[at])), len(lines))
    return tuple(line for line in lines[first:end] if not _REGISTERS.search(line))[:25]


def _complaints(lines: list[str]) -> tuple[str, ...]:
    """The last lines that sound like a cause."""
    return tuple(list(dict.fromkeys(line.strip() for line in lines if _SAID.search(line)))[-10:])


def _since_last_start(lines: list[str]) -> list[str]:
    starts = [number for number, line in enumerate(lines) if _FIRMWARE_BEGINS.search(line)]
    return lines[starts[-1] :] if starts else lines
