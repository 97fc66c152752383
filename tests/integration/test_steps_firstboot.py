# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image's service for the first boot does with its scripts, run by hand in the test base image's userland."""

from __future__ import annotations

import re
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.integration.chroot import Chroot, StepFailedError
from ansible_collections.goldsmith.kvm.tests.integration.promises import Place

pytestmark = pytest.mark.slow

RUNNER = "/usr/local/sbin/goldsmith-firstboot"
UNIT = "etc/systemd/system/goldsmith-firstboot.service"
WANTED = "etc/systemd/system/multi-user.target.wants/goldsmith-firstboot.service"


@pytest.fixture(name="chroot")
def fixture_chroot(lower: dict[str, Path], tmp_path: Path) -> Iterator[Chroot]:
    with Chroot.over(lower, tmp_path / "chroot") as chroot:
        yield chroot


def run(chroot: Chroot, command: str = RUNNER) -> str:
    """What a command prints that ends well in the userland."""
    chroot.apply([{"run_command": {"command": command}}])
    return chroot.output[-1]


def scripts(chroot: Chroot) -> list[str]:
    return sorted(path.name for path in (chroot.root / "var/lib/goldsmith/firstboot").iterdir())


def command(text: str, **options: t.Any) -> dict[str, t.Any]:
    return {"firstboot_command": {"command": text, **options}}


def log(chroot: Chroot) -> str:
    written = (chroot.root / "var/log/goldsmith-firstboot.log").read_text()
    return re.sub(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", written)


def test_scripts_run_in_order_and_once(chroot: Chroot) -> None:
    chroot.apply([command(f"echo said {number}", name=f"n{9 - number}") for number in range(9)])
    # A recipe upon an image that has such scripts comes behind them.
    chroot.apply([{"firstboot": {"name": "last", "script": "#!/usr/bin/env python3\nprint('said by', __name__)\n"}}])
    assert scripts(chroot)[7:] == ["0008-n2", "0009-n1", "0010-last"]
    said = run(chroot)
    assert re.findall(r"^said .*", said, re.MULTILINE) == [f"said {number}" for number in range(9)] + [
        "said by __main__"
    ]
    assert log(chroot).endswith("TIME 0010-last begins\nsaid by __main__\nTIME 0010-last succeeded\n")
    assert scripts(chroot) == []
    assert not (chroot.root / WANTED).is_symlink()
    assert run(chroot) == ""
    # Scripts of a recipe upon a clone that has booted run again.
    chroot.apply([command("true")])
    assert scripts(chroot) == ["0001-command"]
    assert (chroot.root / WANTED).is_symlink()


def test_a_script_that_fails_is_tried_again_before_those_after_it(chroot: Chroot) -> None:
    chroot.apply([command("echo one"), command("echo two; test -e /srv/cause\necho on"), command("echo three")])
    with pytest.raises(StepFailedError) as caught:
        run(chroot)
    assert "one\n" in str(caught.value)
    assert "0002-command failed with status 1; it and those after it are tried at the next boot" in str(caught.value)
    assert "three" not in str(caught.value)
    assert scripts(chroot) == ["0002-command", "0003-command"]
    assert (chroot.root / WANTED).is_symlink()
    said = run(chroot, f"touch /srv/cause\n{RUNNER}")
    assert "one\n" not in said
    assert said.index("two\non\n") < said.index("three\n")
    assert scripts(chroot) == []


def test_a_daemon_that_a_script_leaves_behind_does_not_hold_up_the_others(chroot: Chroot) -> None:
    chroot.apply([command("sleep 60 & echo left"), command("echo next")])
    started = time.monotonic()
    # In the real boot the journal holds the other end; here its output goes to a file, too.
    assert "next\n" in run(chroot, f"{RUNNER} >/srv/said\ncat /srv/said")
    assert time.monotonic() - started < 30


def verified(chroot: Chroot) -> str:
    """What systemd says of a boot to multi-user.target with cloud-init, which a generator adds when it boots."""
    link = "ln -sf /lib/systemd/system/cloud-init.target /etc/systemd/system/multi-user.target.wants/"
    return run(chroot, f"{link}\nsystemd-analyze verify --man=no multi-user.target 2>&1 || :")


def test_the_service_is_in_no_ordering_cycle(chroot: Chroot) -> None:
    chroot.apply([command("true")])
    assert run(chroot, f"systemd-analyze verify --man=no /{UNIT} 2>&1") == ""
    assert verified(chroot) == ""
    # What is told of one where there is one: without multi-user.target, which cloud-final.service is after.
    unit = chroot.root / UNIT
    unit.write_text(unit.read_text().replace(" cloud-final.service multi-user.target", " cloud-final.service"))
    assert "Found ordering cycle" in verified(chroot)


def sources(chroot: Chroot, place: Place, url: str = "") -> None:
    keyring = chroot.root / "etc/apt/keyrings/tests.asc"
    keyring.parent.mkdir(exist_ok=True)
    keyring.write_bytes(place.keys.apt.armored.read_bytes())
    line = f"deb [signed-by=/etc/apt/keyrings/tests.asc] {url or place.apt_url} stable main\n"
    (chroot.root / "etc/apt/sources.list").write_text(line)


# fcntl(2) locks, as dpkg and apt hold them.
HOLD = """\
python3 - <<'end' &
import fcntl, time
with open("/var/lib/dpkg/lock-frontend", "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    open("/srv/held", "w")
    time.sleep(4)
    open("/srv/released", "w")
end
until [ -e /srv/held ]; do sleep 0.1; done
"""


def test_packages_are_installed_when_the_other_package_manager_has_ended(chroot: Chroot, place: Place) -> None:
    chroot.apply([{"firstboot_install": {"packages": ["goldsmith-hello"]}}])
    sources(chroot, place)
    said = run(chroot, f"{HOLD}{RUNNER}\ntest -e /srv/released\ngoldsmith-hello")
    assert said.endswith("hello from the test repository\n")
    assert (chroot.root / "usr/bin/goldsmith-hello").exists()


def test_packages_that_are_there_need_no_repository(chroot: Chroot, place: Place) -> None:
    chroot.apply([{"firstboot_install": {"packages": ["tzdata", "sudo"]}}])
    sources(chroot, place, "http://127.0.0.1:1/apt")
    assert "0001-install succeeded" in run(chroot)


def test_a_list_that_cannot_be_updated_is_said(chroot: Chroot, place: Place) -> None:
    chroot.apply([{"firstboot_install": {"packages": ["goldsmith-hello"], "name": "hello"}}])
    sources(chroot, place, "file:/nowhere")
    with pytest.raises(StepFailedError) as caught:
        run(chroot, f"ln -s /bin/true /usr/local/bin/sleep\n{RUNNER}")
    assert "apt-get update failed ten times: packages would come from an old list, or none\n" in str(caught.value)
    assert "0001-hello failed with status 100" in str(caught.value)
