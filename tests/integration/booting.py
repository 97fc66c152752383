# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booting an image in QEMU until it has told on its serial console what became of it: two minutes without KVM."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures.programs import run

BOOT_SECONDS = 900
DISK_SIZE = "8G"
OVMF = Path("/usr/share/OVMF")
USER_DATA = """\
#cloud-config
runcmd:
  - [systemd-run, --no-block, sh, /var/lib/cloud/instance/scripts/report]
write_files:
  - path: /var/lib/cloud/instance/scripts/report
    content: |
      exec >/dev/ttyS0 2>&1
      cloud-init status --wait --long
      tr -d '\\n' </run/cloud-init/result.json
      echo
      for dummy in $(seq 60); do
        systemctl list-jobs --plain --no-legend | grep -q . || break
        sleep 1
      done
      echo "firmware=$(test -d /sys/firmware/efi && echo uefi || echo bios)"
      echo "root_mib=$(df --output=size -BM / | tail -n 1 | tr -dc 0-9)"
      echo "boot=$(findmnt -no LABEL /boot) esp=$(findmnt -no LABEL /boot/efi)"
      echo "machine_id=$(cat /etc/machine-id)"
      echo "cmdline=$(cat /proc/cmdline)"
      echo "ssh=$(systemctl is-active ssh)"
      echo "failed=$(systemctl list-units --failed --plain --no-legend | wc -l)"
      systemctl list-units --failed --plain --no-legend
      systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1 | xargs -r systemctl status --no-pager
      getent passwd ubuntu
      @MORE@
      echo end-of-report
      systemctl poweroff
"""


Join = Callable[[list[str]], list[str]]
"""Makes of QEMU's argument list one with a network card."""


def alone(argv: list[str]) -> list[str]:
    """A network of its own, which leads nowhere."""
    return [*argv, "-nic", "user,model=virtio-net-pci,restrict=on"]


@dataclass(frozen=True)
class Boot:
    """What an image said of itself when it had booted."""

    console: str
    told: Mapping[str, str]
    """Value by name of the report's lines: ``firmware``, ``machine_id``, ``cmdline``, ``failed`` and so on."""

    def assert_well(self, firmware: str) -> None:
        """cloud-init has ended without an error, and no unit has failed."""
        assert re.search(r"Cloud-init v\. \S+ finished at .* Datasource DataSourceNoCloud", self.console), self.end
        assert "status: done" in self.console, self.end
        assert re.search(r'"errors": \[\]', self.console), self.end
        assert self.told["firmware"] == firmware
        assert self.told["boot"] == "BOOT esp=UEFI"
        assert re.fullmatch("[0-9a-f]{32}", self.told["machine_id"])
        assert self.told["failed"] == "0", self.end

    @property
    def end(self) -> str:
        return self.console[-6000:]


def boot(image: Path, firmware: str, directory: Path, more: str = "", join: Join = alone) -> Boot:
    """Boot an overlay of the image until it powers itself off.

    :arg firmware: ``bios`` or ``uefi``.
    :arg more: one line of shell whose output, such as ``name=value``, is added to the report.
    :arg join: puts the machine into a network.
    """
    seed, console = directory / "seed.img", directory / "console.log"
    _make_seed(seed, USER_DATA.replace("@MORE@", more or ":"))
    argv = _machine(image, "qcow2", firmware, directory, console)
    argv += ["-drive", f"if=virtio,format=raw,file={seed}"]
    with subprocess.Popen(join(argv)) as machine:
        try:
            machine.wait(BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no power-off after {BOOT_SECONDS} s; the console ended with:\n{console.read_text()[-3000:]}")
        finally:
            machine.kill()
    text = console.read_text(errors="replace").replace("\r", "")
    return Boot(text, dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)))


def boot_until(mark: str, image: Path, image_format: str, directory: Path, seconds: float = 300) -> str:
    """Boot an overlay of an image of any format, without a seed, until its console shows ``mark``.

    Returns the console. That is half as long as a boot to cloud-init's end.
    """
    console = directory / "console.log"
    with subprocess.Popen(alone(_machine(image, image_format, "bios", directory, console))) as machine:
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end and machine.poll() is None:
                time.sleep(0.5)
                text = console.read_text(errors="replace") if console.exists() else ""
                if re.search(mark, text):
                    return text
        finally:
            machine.kill()
    return pytest.fail(f"the console did not show {mark!r}; it ended with:\n{console.read_text()[-3000:]}")


def _machine(image: Path, image_format: str, firmware: str, directory: Path, console: Path) -> list[str]:
    overlay = directory / "overlay.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", image_format, "-b", image, overlay, DISK_SIZE])
    argv = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none"]
    argv += ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"]
    argv += [*_firmware_options(firmware, directory), "-drive", f"if=virtio,format=qcow2,file={overlay}"]
    return [*argv, "-serial", f"file:{console}"]


def _make_seed(path: Path, user_data: str) -> None:
    """A NoCloud seed: a small FAT volume with the label that cloud-init looks for."""
    for name, text in (("user-data", user_data), ("meta-data", "instance-id: boot-test\n")):
        (path.parent / name).write_text(text)
    run(["mkfs.vfat", "-n", "CIDATA", "-C", path, "1440"])
    run(["mcopy", "-i", path, path.parent / "user-data", path.parent / "meta-data", "::"])


def _firmware_options(firmware: str, directory: Path) -> list[str]:
    if firmware == "bios":
        return []
    variables = directory / "vars.fd"
    shutil.copyfile(OVMF / "OVMF_VARS_4M.fd", variables)
    code = f"if=pflash,format=raw,readonly=on,file={OVMF / 'OVMF_CODE_4M.fd'}"
    return ["-drive", code, "-drive", f"if=pflash,format=raw,file={variables}"]
