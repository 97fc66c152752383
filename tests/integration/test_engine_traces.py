# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build by virt_customize must not leave: files of its steps in free blocks, arguments, a machine-id."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.disk import qemu_img
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .engine_builds import Built, build_steps, step
from .mounted import mounted

pytestmark = pytest.mark.slow

SECRET = "secret-5f1e7c02b9"
SMALL, LARGE = b"goldsmith-test-small-file", b"goldsmith-test-large-file"
PAGE = 4096
SEARCH = """\
sh -c 'sleep 2' control-argument &
sleep 0.5
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' >$FILES/arguments || :
grep -x control-argument $FILES/arguments
if grep -q -F -f $FILES/key $FILES/arguments; then echo 'the secret is an argument'; fi
rm $FILES/arguments
wait
"""


@pytest.fixture(name="built", scope="module")
def fixture_built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    image = next(image.path for image in base_image.ensure() if image.lineage == "server")
    directory = tmp_path_factory.mktemp("traces")
    base = directory / "base.qcow2"
    qemu_img.create_overlay(LocalHost(str(directory)), str(image), "qcow2", str(base))
    with mounted(base, writable=True) as root:
        (root / "etc/machine-id").write_text("uninitialized\n")
        (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    small, large = directory / "small", directory / "large"
    small.write_bytes(SMALL * 100)
    large.write_bytes(LARGE.ljust(PAGE, b"x") * (20 * 1024**2 // PAGE))
    return build_steps(
        base,
        directory / "work",
        # What was written reaches the disk.
        step(
            1, Run("cksum <$FILES/small\ncksum <$FILES/large\nsync\n", files={"small": str(small), "large": str(large)})
        ),
        step(2, Run(SEARCH, contents={"key": f"{SECRET}\n"}), secrets=frozenset({SECRET})),
        step(3, Run("systemd-machine-id-setup\ncat /etc/machine-id\ncp /etc/machine-id /var/lib/dbus/machine-id\n")),
    )


def test_files_of_steps_are_in_no_free_block(built: Built, tmp_path: Path) -> None:
    content = built.disk.read_bytes()
    assert SMALL not in content
    assert LARGE not in content
    assert SECRET.encode() not in content
    assert qemu_img.inspect(LocalHost(str(tmp_path)), str(built.disk)).backing_file is not None
    with mounted(built.disk) as root:
        assert not (root / ".goldsmith").exists()


def test_a_secret_is_no_argument(built: Built) -> None:
    assert "control-argument\n" in built.report.log
    assert "the secret is an argument" not in built.report.log


def test_the_build_s_machine_id_is_gone(built: Built) -> None:
    with mounted(built.disk) as root:
        assert (root / "etc/machine-id").read_text() == "uninitialized\n"
        assert not (root / "var/lib/dbus/machine-id").is_file() or (root / "var/lib/dbus/machine-id").is_symlink()
