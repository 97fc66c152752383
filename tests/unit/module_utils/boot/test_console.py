# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.console import clean, dead_end, hung, loader_began

# Recorded with QEMU 7.2, SeaBIOS 1.16.2, OVMF 2022.11, Debian 12's GRUB, kernel and cloud-init 22.4.2.
SEABIOS = "\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version 1.16.2-debian-1.16.2-1)\r\nBooting from Hard Disk...\r\n"
GRUB = f"{SEABIOS}GRUB loading...\r\n\x1b[0;30;47mWelcome to GRUB!\r\n\r\n\x1b[01;01H\x1b[0m\x1b[2J\x1b[2J"
NO_DISK = f"{SEABIOS}Boot failed: not a bootable disk\r\n\r\nNo bootable device.\r\n"
UEFI = (
    'BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0): Not Found\r\n'
    'BdsDxe: loading Boot0002 "EFI Internal Shell" from Fv(7CB8BDC9)/FvFile(7C04A583)\r\n'
    'BdsDxe: starting Boot0002 "EFI Internal Shell" from Fv(7CB8BDC9)/FvFile(7C04A583)\r\n'
    "\x1b[2J\x1b[01;01H\x1b[0m\x1b[37m\x1b[40mUEFI Interactive Shell v2.2\r\nEDK II\r\n"
)
PROMPT = f"{GRUB}\x1b[02;26HGNU GRUB  version 2.06-13+deb12u2\r\n\r\n\x1b[08;01Hgrub> "
NO_KERNEL = (
    f"{GRUB}  Booting `Linux'\x1b[01;17H\r\n\r\nerror: file `/vmlinuz' not fo\x1b[03;30Hund.\r\n"
    "error: you need to load the kernel first.\r\n\r\nPress any key to continue...\x1b[06;29H"
)
KERNEL = f"{GRUB}  Booting `Linux'\x1b[01;17H\r\n\r\n[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian)\r\n"
PANIC = (
    f"{KERNEL}[   16.171261] EXT4-fs (vda1): mounted filesystem with ordered data mode. Quota mode: none.\r\ndone.\r\n"
    "[   16.749362] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n"
    "[   16.749776] CPU: 1 PID: 1 Comm: false Not tainted 6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2\r\n"
    "[   16.750058] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009)\r\n"
    "[   16.750336] Call Trace:\r\n[   16.751233]  <TASK>\r\n[   16.751399]  dump_stack_lvl+0x44/0x5c\r\n"
    "[   16.751683]  panic+0x118/0x2f4\r\n[   16.751954]  ? lock_timer_base+0x61/0x80\r\n"
    "[   16.752734] RIP: 0033:0x7fef512e1409\r\n[   16.752734]  </TASK>\r\n"
    "[   16.752734] ---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100 ]---\r\n"
)
RECOVERED = (
    f"{KERNEL}[    0.000000] Command line: BOOT_IMAGE=/vmlinuz root=PARTUUID=1f51 ro console=ttyS0 panic=-1\r\n"
    "[    1.802000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"
    f"{KERNEL}Loading, please wait...\r\n"
)
"""Ubuntu's minimal images try it without an initramfs at first."""
REBOOTING = (
    f"{KERNEL}[    1.802000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"
    "[    1.803000] CPU: 0 PID: 1 Comm: swapper/0 Not tainted\r\n[    1.804000] Rebooting in 10 seconds..\r\n"
)
NO_ROOT_FS = (
    f"{KERNEL}[    1.801000] List of all partitions:\r\n[    1.801100] No filesystem could mount root, tried: \r\n"
    "[    1.802000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"
)
INITRAMFS = (
    f"{KERNEL}Loading, please wait...\r\nBegin: Mounting root file system ... Begin: Running /scripts/local-top ...\r\n"
    "Gave up waiting for root file system device.  Common problems:\r\n - Boot args (cat /proc/cmdline)\r\n"
    "ALERT!  LABEL=missing does not exist.  Dropping to a shell!\r\n\r\n\r\nBusyBox v1.35.0 (Debian 1:1.35.0-4)\r\n"
    "Enter 'help' for a list of built-in commands.\r\n\r\n(initramfs) \x1b[6n"
)
SYSTEMD = (
    f"{KERNEL}[    9.8] systemd[1]: Detected virtualization qemu.\r\n\r\nWelcome to \x1b[1mDebian 12\x1b[0m!\r\n"
    "[\x1b[0;32m  OK  \x1b[0m] Created slice system-getty.slice.\r\n"
)
EMERGENCY = (
    f"{SYSTEMD}[\x1b[0;1;31mFAILED\x1b[0m] Failed to mount /srv.\r\n"
    "You are in emergency mode. After logging in, type journalctl -xb to view\r\n"
)
LOCKED = f"{SYSTEMD}\r\nCannot open access to console, the root account is locked.\r\nSee sulogin(8)\r\n"
WAITS = "[\x1b[0m\x1b[0;31m*     \x1b[0m] A start job is running for Wait for Ne\x1b[0m (25s / 2min)\r"
JOB = SYSTEMD + WAITS
UNIT_JOB = (
    f"{SYSTEMD}\x1bM\r\x1b[K[ \x1b[0;31m*  \x1b[0m] Job systemd-networkd-wait-online.se…tart running (2min 12s)\r"
)
IFUPDOWN_JOB = f"{SYSTEMD}[ ***  ] (1 of 2) A start job is running for Raise network interfaces (1min / 5min)\r"
OTHER_JOB = f"{SYSTEMD}[ ***  ] A start job is running for dev-disk-by\\x2dlabel-data.device (25s / 1min 30s)\r"
NO_CLOUD_INIT = f"{SYSTEMD}\r\nDebian GNU/Linux 12 debian ttyS0\r\n\r\ndebian login: "
INIT = f"{SYSTEMD}[   56.4] cloud-init[300]: Cloud-init v. 22.4.2 running 'init-local' at Mon, 23 Nov 2026 02:36:00\r\n"
FINAL = (
    f"{INIT}[   96.8] cloud-init[527]: Cloud-init v. 22.4.2 running 'modules:final' at Mon, 23 Nov 2026 02:37:48\r\n"
)
FULL = f"{SYSTEMD}[  149.08] cloud-init[207]: OSError: [Errno 28] No space left on device: '/var/lib/cloud'\r\n"
CRASHED = f"{SYSTEMD}[  149.08] cloud-init[207]: ModuleNotFoundError: No module named 'yaml'\r\n"
INIT_STAGE = f"{INIT}[   66.4] cloud-init[310]: Cloud-init v. 22.4.2 running 'init' at Mon, 23 Nov 2026 02:36:10\r\n"
ENDED = (
    "[   99.9] cloud-init[527]: Cloud-init v. 22.4.2 finished at Mon, 23 Nov 2026. Datasource DataSource{}.  Up 99\r\n"
)


@pytest.mark.parametrize(
    ("console", "stage", "reason"),
    [
        (NO_DISK, "firmware", "the firmware found no boot loader on the disk"),
        (UEFI, "firmware", "the firmware found no boot loader on the disk"),
        (f"{GRUB}error: no such device: BOOT.\r\ngrub rescue> ", "boot_loader", "GRUB cannot find its own files"),
        (PROMPT, "boot_loader", "GRUB found no configuration, and waits at its prompt"),
        (NO_KERNEL, "boot_loader", "GRUB could not load the kernel"),
        (PANIC, "kernel", "the kernel panicked: Attempted to kill init! exitcode=0x00000100"),
        (NO_ROOT_FS, "kernel", "the kernel panicked: VFS: Unable to mount root fs on unknown-block(0,0)"),
        (INITRAMFS, "initramfs", "the initramfs gave up, and waits at its emergency shell"),
        (EMERGENCY, "systemd", "systemd could not go on, and waits in emergency mode"),
        (LOCKED, "systemd", "systemd could not go on, and waits in emergency mode"),
        (FULL, "cloud_init", "the disk is full, and cloud-init cannot work"),
        (FINAL + ENDED.format("None"), "cloud_init", "cloud-init found no datasource"),
        (KERNEL * 4, "systemd", "the guest reboots again and again"),
        (REBOOTING * 4, "kernel", "the kernel panicked: VFS: Unable to mount root fs"),
        (FINAL + ENDED.format("NoCloud"), "cloud_init", "cloud-init has ended, and did not start the report"),
        (NO_CLOUD_INIT, "cloud_init", "the guest came to its login prompt, and cloud-init never ran"),
    ],
)
def test_dead_ends(console: str, stage: str, reason: str) -> None:
    found = dead_end(clean(console))
    assert found is not None
    assert found.stage == stage
    assert reason in found.reason


@pytest.mark.parametrize(
    "console", ["", SEABIOS, GRUB, KERNEL, KERNEL * 2, SYSTEMD, JOB, INIT, FINAL, RECOVERED, f"{FULL}{SEABIOS}"]
)
def test_what_may_still_go_on(console: str) -> None:
    assert dead_end(clean(console)) is None


@pytest.mark.parametrize("console", [FINAL + ENDED.format("NoCloud"), NO_CLOUD_INIT])
def test_a_report_that_has_begun_will_end(console: str) -> None:
    assert dead_end(clean(console), reporting=True) is None
    assert hung(clean(console), reporting=True).reason != hung(clean(console)).reason


@pytest.mark.parametrize(
    ("console", "least", "most"),
    [
        (PANIC, 1, 5),
        (NO_ROOT_FS, 10, 20),  # its last line may be yet to come, or the firmware
        (REBOOTING, 20, 30),
        (REBOOTING * 4, 1, 5),
        (PROMPT, 1, 5),
        (NO_CLOUD_INIT, 30, 60),
        (FINAL + ENDED.format("NoCloud"), 30, 60),
    ],
)
def test_how_long_it_may_go_on_after_all(console: str, least: float, most: float) -> None:
    found = dead_end(clean(console))
    assert found is not None
    assert least <= found.grace <= most


def test_what_helps_where_no_report_comes() -> None:
    never, disabled = dead_end(clean(NO_CLOUD_INIT)), dead_end(clean(FINAL + ENDED.format("NoCloud")))
    assert never is not None and "Install cloud-init" in never.way_out
    assert disabled is not None and "vendor_data: {enabled: false}" in disabled.way_out


@pytest.mark.parametrize(
    ("console", "stage", "reason"),
    [
        ("", "firmware", "nothing came from the firmware"),
        ("SeaBIOS (version 1.16.2)\r\n", "firmware", "the firmware did not start a boot loader"),
        (SEABIOS, "boot_loader", "the boot loader did not start a kernel, or one that does not write to the serial"),
        (GRUB, "boot_loader", "the boot loader did not start a kernel"),
        (KERNEL, "kernel", "the kernel started and did not come to its init"),
        (f"{KERNEL}Begin: Mounting root file system ...", "initramfs", "did not find or mount the root file system"),
        (SYSTEMD, "systemd", "systemd started, and cloud-init never ran"),
        (JOB, "network", "the network did not come up, and systemd still waits for Wait for Ne"),
        (
            UNIT_JOB,
            "network",
            "the network did not come up, and systemd still waits for systemd-networkd-wait-online.s",
        ),
        (IFUPDOWN_JOB, "network", "systemd still waits for Raise network interfaces"),
        (INIT + WAITS, "network", "systemd still waits for Wait for Ne"),
        (INIT_STAGE + WAITS, "cloud_init", "not come further than its stage init, while systemd waits for Wait for Ne"),
        (
            OTHER_JOB,
            "systemd",
            "systemd started, and still waits for dev-disk-by\\x2dlabel-data.device, and cloud-init",
        ),
        (NO_CLOUD_INIT, "cloud_init", "the guest came to its login prompt, and cloud-init never ran"),
        (CRASHED, "cloud_init", "cloud-init did not come further than its stage init-local"),
        (INIT, "cloud_init", "cloud-init did not come further than its stage init-local"),
        (FINAL, "cloud_init", "cloud-init did not come further than its stage modules:final"),
        (FINAL + ENDED.format("NoCloud"), "cloud_init", "cloud-init has ended, and did not start the report"),
        (FINAL + SEABIOS, "boot_loader", "the boot loader did not start a kernel"),
    ],
)
def test_where_it_hung(console: str, stage: str, reason: str) -> None:
    found = hung(clean(console))
    assert found.stage == stage
    assert reason in found.reason


def test_the_lines_of_a_panic() -> None:
    found = dead_end(clean(PANIC))
    assert found is not None
    assert [line.partition("] ")[2] for line in found.lines] == [
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        "CPU: 1 PID: 1 Comm: false Not tainted 6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2",
        "Call Trace:",
        " dump_stack_lvl+0x44/0x5c",
        " panic+0x118/0x2f4",
    ]
    before = dead_end(clean(NO_ROOT_FS))
    assert before is not None
    assert "No filesystem could mount root" in "\n".join(before.lines)


def test_the_lines_that_say_why() -> None:
    found = dead_end(clean(INITRAMFS))
    assert found is not None
    assert "ALERT!  LABEL=missing does not exist.  Dropping to a shell!" in found.lines
    loader = dead_end(clean(NO_KERNEL))
    assert loader is not None
    assert loader.lines == ("error: file `/vmlinuz' not found.", "error: you need to load the kernel first.")
    skipped = "[ SKIP ] Ordering cycle found, skipping Initial cloud-init job (metadata service crawler)"
    without = dead_end(clean(NO_CLOUD_INIT.replace(SYSTEMD, f"{SYSTEMD}\r\n{skipped}\r\n")))
    assert without is not None
    assert without.lines == (skipped,)


@pytest.mark.parametrize(
    ("console", "began"),
    [("SeaBIOS (version 1.16.2)\r\n", False), (SEABIOS, True), (UEFI, True), ("[    0.0] Linux version 6.1", True)],
)
def test_the_firmware_s_end(console: str, began: bool) -> None:
    assert loader_began(clean(console)) == began


@given(st.binary())
@example(b"\t!")
def test_any_bytes_become_lines_that_can_be_printed(raw: bytes) -> None:
    text = clean(raw)
    assert text == "" or text.endswith("\n")
    assert all(
        line and line == line.rstrip() and line.expandtabs().isprintable()
        for line in text.split("\n")[:-1]
        if line.isascii()
    )
    hung(text)
    dead_end(text)
