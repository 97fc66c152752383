# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test base image boots with both firmwares, and cloud-init ends in it without an error.

Each boot takes about a minute and a half without KVM.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.fixtures.programs import run

pytestmark = pytest.mark.slow

BOOT_SECONDS = 600
DISK_SIZE = "5G"
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
      echo "firmware=$(test -d /sys/firmware/efi && echo uefi || echo bios)"
      echo "root_mib=$(df --output=size -BM / | tail -n 1 | tr -dc 0-9)"
      echo "boot=$(findmnt -no LABEL /boot) esp=$(findmnt -no LABEL /boot/efi)"
      echo "machine_id=$(cat /etc/machine-id)"
      echo "ssh=$(systemctl is-active ssh)"
      echo "failed=$(systemctl list-units --failed --plain --no-legend | wc -l)"
      systemctl list-units --failed --plain --no-legend
      getent passwd ubuntu
      echo end-of-report
      systemctl poweroff
"""


def make_seed(path: Path) -> None:
    """A NoCloud seed: a small FAT volume with the label that cloud-init looks for."""
    for name, text in (("user-data", USER_DATA), ("meta-data", "instance-id: boot-test\n")):
        (path.parent / name).write_text(text)
    run(["mkfs.vfat", "-n", "CIDATA", "-C", path, "1440"])
    run(["mcopy", "-i", path, path.parent / "user-data", path.parent / "meta-data", "::"])


def firmware_options(firmware: str, directory: Path) -> list[str]:
    if firmware == "bios":
        return []
    variables = directory / "vars.fd"
    shutil.copyfile(OVMF / "OVMF_VARS_4M.fd", variables)
    code = f"if=pflash,format=raw,readonly=on,file={OVMF / 'OVMF_CODE_4M.fd'}"
    return ["-drive", code, "-drive", f"if=pflash,format=raw,file={variables}"]


def boot(image: Path, firmware: str, directory: Path) -> str:
    """Boot an overlay of the image until it powers itself off, and return what its serial console said."""
    overlay, seed, console = directory / "overlay.qcow2", directory / "seed.img", directory / "console.log"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, overlay, DISK_SIZE])
    make_seed(seed)
    argv = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none"]
    argv += ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"]
    argv += firmware_options(firmware, directory)
    argv += ["-drive", f"if=virtio,format=qcow2,file={overlay}", "-drive", f"if=virtio,format=raw,file={seed}"]
    argv += ["-nic", "user,model=virtio-net-pci,restrict=on", "-serial", f"file:{console}"]
    with subprocess.Popen(argv) as machine:
        try:
            machine.wait(BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no power-off after {BOOT_SECONDS} s; the console ended with:\n{console.read_text()[-3000:]}")
        finally:
            machine.kill()
    return console.read_text(errors="replace").replace("\r", "")


@pytest.mark.parametrize(("firmware", "lineage"), [("bios", "server"), ("uefi", "minimal")])
def test_boots_to_the_end_of_cloud_init(firmware: str, lineage: str, tmp_path: Path) -> None:
    image = [image for image in base_image.ensure() if image.lineage == lineage][-1]
    started = time.monotonic()
    console = boot(image.path, firmware, tmp_path)
    print(f"{firmware}: {time.monotonic() - started:.0f} s")
    print(console[-4000:])
    report = dict(re.findall(r"^(\w+)=(.*)$", console, re.MULTILINE))
    assert re.search(r"Cloud-init v\. \S+ finished at .* Datasource DataSourceNoCloud", console)
    assert "status: done" in console
    assert re.search(r'"errors": \[\]', console)
    assert report["firmware"] == firmware
    assert report["boot"] == "BOOT esp=UEFI"
    assert int(report["root_mib"]) > 3500, "cloud-init did not grow the root file system"
    assert re.fullmatch("[0-9a-f]{32}", report["machine_id"])
    assert report["ssh"] == "active"
    assert report["failed"] == "0"
    assert "ubuntu:x:1000:" in console
