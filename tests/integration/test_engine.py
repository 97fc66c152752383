# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine virt_customize on the test base image: one build that succeeds, judged from outside, and ways to fail.

Each launch of the appliance takes 20 to 60 seconds without KVM.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    StepError,
    StoreError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import accel
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.model import Build
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run, Upload, Write
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .engine_builds import ENGINE, Built, build_on
from .mounted import mounted

pytestmark = pytest.mark.slow

GIB = 1024**3
SECRET = "secret-5f1e7c02b9"
SEEDS = ("random-seed", "systemd/random-seed", "urandom/random-seed", "misc/random-seed")
PAYLOAD = os.urandom(3 * 1024 * 1024)
UPLOADED = "/opt/it's an: odd\nname\\"
POSTINST = """\
#!/bin/sh
set -e
cp /etc/machine-id /usr/share/goldsmith-test/machine-id-of-the-build
cp /etc/machine-id /var/lib/dbus/machine-id
sh /usr/sbin/policy-rc.d ssh start || echo "policy-rc.d: $?"
"""


LONG = "a 'long' text\n" * 10_000 + "\0"
POLICY = "#!/bin/sh\n# the publisher's own\nexit 0\n"


@pytest.fixture(name="base", scope="module")
def fixture_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server image, with what a publisher may have put in: a policy-rc.d, a directory for a random seed."""
    image = next(image.path for image in base_image.ensure() if image.lineage == "server")
    base = tmp_path_factory.mktemp("base") / "base.qcow2"
    qemu_img.create_overlay(LocalHost(str(base.parent)), str(image), "qcow2", str(base))
    with mounted(base, writable=True) as root:
        (root / "usr/sbin/policy-rc.d").write_text(POLICY)
        (root / "var/lib/urandom").mkdir(exist_ok=True)
    return base


def make_package(directory: Path) -> Path:
    tree = directory / "goldsmith-test"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share/goldsmith-test").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: goldsmith-test\nVersion: 1.0-1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    (tree / "DEBIAN/postinst").write_text(POSTINST)
    (tree / "DEBIAN/postinst").chmod(0o755)
    package = directory / "goldsmith-test.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(package)], check=True, capture_output=True)
    return package


@pytest.fixture(name="built", scope="module")
def fixture_built(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """One build with every operation, on a disk larger than the base's."""
    directory = tmp_path_factory.mktemp("build")
    payload = directory / "pay:load"
    payload.write_bytes(PAYLOAD)
    return build_on(
        base,
        directory / "work",
        Upload(str(make_package(directory)), "/var/tmp/goldsmith-test.deb"),
        Run("dpkg -i /var/tmp/goldsmith-test.deb; rm /var/tmp/goldsmith-test.deb", timeout=300),
        Upload(str(payload), UPLOADED, "4755", "nobody", "daemon"),
        Write("#!/bin/sh\n: 'ä' \\\n$HOME\n", "/usr/local/bin/-x", "0750", group="adm"),
        Write("nameserver 192.0.2.1\n", "/etc/resolv.conf"),
        Run(
            f"token={SECRET}; test -n \"$token\"; echo 'GRUB' >/boot/mark; id -u; pwd; umask; cat /etc/resolv.conf",
            network=True,
        ),
        Run("echo golden-1 >/etc/hostname\n"),
        Run("ln -sfT /usr/share/zoneinfo/Europe/Oslo /etc/localtime\n"),
        Run(
            "cat $FILES/key >/root/key\ncmp $FILES/payload $FILES/again\n",
            contents={"key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAItest test@example.org"},
            files={"payload": str(payload), "again": str(payload)},
        ),
        # More than goes into one script.
        Write(LONG, "/opt/long"),
        size=6 * GIB,
    )


def test_what_the_report_says(built: Built) -> None:
    report = built.report
    assert report.accel in ("kvm", "tcg")
    assert set(report.versions) == {"virt-customize", "qemu-img"}
    assert report.os_release["ID"] == "debian"
    assert report.packages_added == {"goldsmith-test": "1.0-1"}
    assert report.packages_removed == {}
    assert report.packages_changed == {}
    assert set(report.seconds) >= {"launch", "uploads", "begin", "1 (Upload)", "2 (Run)", "9 (Run)", "end"}
    assert all(value >= 0 for value in report.seconds.values())
    assert re.search(r"^==> step 6 \(Run\), [0-9.]+ s\n0\n/\n0022\n", report.log, re.MULTILINE)
    assert "nameserver" in report.log
    assert "192.0.2.1" not in report.log
    assert "Setting up goldsmith-test (1.0-1)" in report.log
    assert built.warnings == []


def test_what_is_in_the_image(built: Built) -> None:
    with mounted(built.disk) as root:
        uploaded = root / UPLOADED[1:]
        assert uploaded.read_bytes() == PAYLOAD
        found = uploaded.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o4755, 65534, 1)
        written = root / "usr/local/bin/-x"
        assert written.read_text() == "#!/bin/sh\n: 'ä' \\\n$HOME\n"
        assert (stat.S_IMODE(written.stat().st_mode), written.stat().st_gid) == (0o750, 4)
        assert (root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.1\n"
        assert not (root / "etc/resolv.conf").is_symlink()
        assert (root / "etc/hostname").read_text() == "golden-1\n"
        assert os.readlink(root / "etc/localtime").endswith("/usr/share/zoneinfo/Europe/Oslo")
        assert "AAAAItest" in (root / "root/key").read_text()
        assert (root / "opt/long").read_text() == LONG
        assert os.statvfs(root).f_blocks * os.statvfs(root).f_frsize > 4 * GIB
    with mounted(built.disk, "BOOT") as boot:
        assert (boot / "mark").read_text() == "GRUB\n"


def test_what_the_build_left_behind(base: Path, built: Built) -> None:
    with mounted(base) as before, mounted(built.disk) as root:
        assert (root / "etc/machine-id").read_bytes() == b""
        # While packages came in there was one; who took it over was put right.
        assert len((root / "usr/share/goldsmith-test/machine-id-of-the-build").read_text()) == 33
        assert os.readlink(root / "var/lib/dbus/machine-id") == "/etc/machine-id"
        assert "policy-rc.d: 101\n" in built.report.log
        for seed in SEEDS:
            assert os.path.lexists(root / "var/lib" / seed) == os.path.lexists(before / "var/lib" / seed)
        assert (root / "usr/sbin/policy-rc.d").read_text() == POLICY
        assert sorted(os.listdir(root)) == sorted(os.listdir(before))
        assert sorted(os.listdir(root / "tmp")) == sorted(os.listdir(before / "tmp"))
        assert sorted(os.listdir(root / "var/tmp")) == sorted(os.listdir(before / "var/tmp"))


def test_no_secret_reaches_the_disk(built: Built) -> None:
    assert SECRET.encode() not in built.disk.read_bytes()
    assert SECRET not in built.report.log


def test_the_disk_is_sound(built: Built, tmp_path: Path) -> None:
    host = LocalHost(str(tmp_path))
    qemu_img.check(host, str(built.disk))
    assert qemu_img.inspect(host, str(built.disk)).backing_file is not None


def test_a_step_that_fails_is_named_with_its_output(base: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError) as caught:
        build_on(base, tmp_path / "work", Run("echo fine"), Run("echo before; ls /nonexistent; echo never"))
    assert str(caught.value) == (
        "step 2 (Run) failed with exit status 2:\nbefore\nls: cannot access '/nonexistent': No such file or directory."
    )
    assert re.search(
        r"^==> step 1 \(Run\), [0-9.]+ s\nfine\n==> step 2 \(Run\)\nbefore\n", caught.value.log, re.MULTILINE
    )


def test_what_is_found_out_before_the_launch(tmp_path: Path) -> None:
    host = LocalHost(str(tmp_path))
    with pytest.raises(BadRequestError, match="because of the colon in its path"):
        ENGINE.preflight(host, Build(str(tmp_path / "a:b/disk.qcow2"), str(tmp_path), (), accel="tcg"))
    if accel.probe(host).works:
        assert ENGINE.preflight(host, Build(str(tmp_path / "disk.qcow2"), str(tmp_path), (), accel="kvm")) == "kvm"
    else:
        with pytest.raises(BadRequestError, match=r"^accel: kvm was asked for, but /dev/kvm"):
            ENGINE.preflight(host, Build(str(tmp_path / "disk.qcow2"), str(tmp_path), (), accel="kvm"))


def test_an_upload_without_a_source(tmp_path: Path) -> None:
    blank = tmp_path / "blank.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(blank), "1G"], check=True)
    with pytest.raises(StoreError, match=r"step 1 \(Upload\): the file /nowhere/file does not exist"):
        build_on(blank, tmp_path / "work", Upload("/nowhere/file", "/opt/file"))


MODULE = """\
import json, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": {"_ansible_tmpdir": sys.argv[1]}}).encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.module_host import ModuleHost
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.model import Build
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.registry import ENGINES
host = ModuleHost(basic.AnsibleModule({}))
ENGINES["virt_customize"].apply(host, Build(sys.argv[2], sys.argv[1], (), accel="tcg"))
"""


def processes_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in command and entry.name != str(os.getpid()):
            found.append(command)
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.2)
    return False


def test_a_killed_module_leaves_no_appliance_running(tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1G"], check=True)
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    module = subprocess.Popen([sys.executable, "-c", MODULE, str(work), str(disk)], env=environ, start_new_session=True)
    try:
        running = wait_for(lambda: any("qemu-system" in command for command in processes_with(str(disk))), 60)
    finally:
        module.send_signal(signal.SIGKILL)
        module.wait()
    assert running
    assert wait_for(lambda: not processes_with(str(disk)), 10), processes_with(str(disk))
