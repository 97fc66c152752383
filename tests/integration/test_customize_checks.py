# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden images that have to boot before they are published. Their steps do nothing, so no appliance is launched."""

from __future__ import annotations

import base64
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import BootError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    CommandError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import registry
from ansible_collections.goldsmith.kvm.tests.fixtures import base_image
from ansible_collections.goldsmith.kvm.tests.fixtures.programs import run
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop

CHECKED = {"boot_check": True, "accel": "tcg"}
DEFAULTS: dict[str, t.Any] = {
    "firmware": ["auto"],
    "memory": "1G",
    "cpus": 2,
    "disk_size": None,
    "timeout": 600,
    "ssh": True,
    "allow_failed_units": [],
    "allow_ordering_cycles": False,
    "allow_cloud_init_errors": False,
}
HALT = b"\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa"
"""A boot loader that does nothing, and says nothing."""
PATIENCE = 60


@pytest.fixture(name="workshop")
def fixture_workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Its base is an empty disk."""
    engine = ScribblingEngine()
    monkeypatch.setitem(registry.ENGINES, engine.name, engine)
    return Workshop(tmp_path)


def refusal(workshop: Workshop, command: str, **options: t.Any) -> BootError:
    with pytest.raises(BootError) as caught:
        workshop.customize(command, **CHECKED, **options)
    return caught.value


def test_an_image_that_does_not_boot_is_kept_and_not_published(workshop: Workshop) -> None:
    old = workshop.customize("old")["image"]["path"]
    before = workshop.visible()
    error = refusal(workshop, "new")
    assert workshop.link.resolve() == Path(old)
    failed = Path(error.details["failed_image"])
    assert str(failed) in str(error)
    assert failed.name.startswith("web-20260905-") and failed.name.endswith(".failed.qcow2")
    kept = {failed.name, f"{failed.name}.json", f"{failed.name}.log", f"{failed.name[:-6]}.console.log"}
    assert set(workshop.visible()) == {*before, *kept}
    assert "No bootable device" in failed.with_suffix(".console.log").read_text()
    assert "boot loader" in str(error)
    # One is kept, of the last build; and the next run that needs no boot publishes.
    later = Path(refusal(workshop, "newer").details["failed_image"])
    assert [path.name for path in workshop.golden.glob("*.failed.qcow2")] == [later.name]
    assert workshop.customize("newer")["changed"]


def test_an_image_that_is_published_stays_where_it_does_not_boot(workshop: Workshop) -> None:
    first = workshop.customize("old")
    workshop.customize("new")
    planned = workshop.customize("old", check_mode=True, **CHECKED)
    assert (planned["changed"], planned["reason"]) == (True, ["steps", "boot"])
    before = workshop.files()
    error = refusal(workshop, "old")
    assert "failed_image" not in error.details
    assert f"{first['image']['path']} was published before, without this check, and stays" in str(error)
    (console,) = (workshop.store / "logs").glob("web-*.console.log")
    assert str(console) in str(error) and "No bootable device" in console.read_text()
    assert Path(first["image"]["path"]).exists()
    after = workshop.files()
    assert [path for path in before if str(workshop.golden) in path and before[path] != after.get(path)] == []
    assert not workshop.link.samefile(first["image"]["path"])


def silent(workshop: Workshop) -> dict[str, t.Any]:
    """Options for an image whose boot comes to no end."""
    base = workshop.base.with_name("silent.raw")
    base.write_bytes(HALT)
    os.truncate(base, 16 * 1024**2)
    return {"base": {"path": str(base), "format": "raw", "serial": "1"}, "steps": []}


def guests(workshop: Workshop) -> list[int]:
    """What runs for a boot of the workshop's."""
    argv = ["pgrep", "--full", "--", f"{workshop.store}/layers/build-"]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def until(what: t.Callable[[], t.Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def booting(workshop: Workshop) -> bool:
    """Whether the guest has begun to say something."""
    consoles = (workshop.store / "layers").glob("build-*/boot-*/console.log")
    return any(console.stat().st_size for console in consoles)


def test_a_build_that_is_killed_while_its_image_boots(workshop: Workshop) -> None:
    old = workshop.customize("old")["image"]["path"]
    before, options = workshop.visible(), silent(workshop)
    child = multiprocessing.get_context("fork").Process(target=workshop.customize, kwargs={**options, **CHECKED})
    child.start()
    until(lambda: booting(workshop))
    assert guests(workshop)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    until(lambda: guests(workshop) == [])
    assert workshop.link.resolve() == Path(old)
    assert [name for name in workshop.visible() if not name.startswith(".")] == before
    done = workshop.customize(**options)
    assert (done["changed"], workshop.link.resolve()) == (True, Path(done["image"]["path"]))
    assert not [name for name in workshop.visible() if name.startswith(".") or ".failed" in name]
    assert os.listdir(workshop.store / "layers") == []


def test_a_boot_that_is_ended_from_outside_says_nothing_of_the_image(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = silent(workshop)

    def end_qemu() -> None:
        until(lambda: booting(workshop))
        for pid in guests(workshop):
            # Others of the boot may end by themselves.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if "qemu-system" in os.path.basename(os.readlink(f"/proc/{pid}/exe")):
                    os.kill(pid, signal.SIGKILL)

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end_qemu)
        with pytest.raises(BootError, match="QEMU was ended from outside") as caught:
            workshop.customize(**options, **CHECKED)
        ended.result()
    kept = Path(caught.value.details["failed_image"])
    assert kept.name.endswith(".unchecked.qcow2") and kept.stat().st_size > 0
    assert f"could not be checked, and is not published. It is kept as {kept}" in str(caught.value)
    # QEMU cannot get its guest's memory, as on a host whose memory others have taken since.
    programs = workshop.store.parent / "programs"
    programs.mkdir()
    name = "qemu-system-x86_64"
    (programs / name).write_text(f'#!/bin/sh\nexec {shutil.which(name)} "$@" -m 900T\n')
    (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with pytest.raises(CommandError, match=r"QEMU could not start a guest with .*: .*memory") as refused:
        workshop.customize(**options, **CHECKED)
    assert [str(path) for path in workshop.golden.glob("*.qcow2")] == [refused.value.details["failed_image"]]


def test_an_image_is_booted_once(workshop: Workshop) -> None:
    image = [image for image in base_image.ensure() if image.lineage == "server"][-1].path
    options: dict[str, t.Any] = {"base": {"path": str(image)}, "steps": [], "compression": "none"}
    assert workshop.customize(**options)["boot"] == []
    checked = {**options, **CHECKED, "boot_options": {**DEFAULTS, "disk_size": "5G"}}
    planned = workshop.customize(check_mode=True, **checked)
    assert (planned["changed"], planned["reason"], planned["boot"]) == (True, ["boot"], [])
    assert planned["msg"] == "web would be checked: it has not been booted yet"
    assert planned["diff"] == {"before": {"checks": []}, "after": {"checks": ["boot"]}}
    done = workshop.customize(**checked)
    assert (done["changed"], done["reason"]) == (True, ["boot"])
    (boot,) = done["boot"]
    assert (boot["asked"], boot["firmware"], boot["cloud_init"]["status"]) == ("auto", "bios", "done")
    assert boot["disk"]["size"] > 3.5 * 1024**3
    assert json.loads(Path(done["record"]).read_text())["boot"] == [boot]
    again = workshop.customize(**checked)
    assert (again["changed"], again["boot"]) == (False, [boot])
    other = workshop.customize(check_mode=True, **{**checked, "boot_options": {**DEFAULTS, "firmware": ["uefi"]}})
    assert other["reason"] == ["boot"]


@pytest.mark.parametrize(
    "wrong", [{"cpus": 0}, {"timeout": 9}, {"firmware": []}, {"memory": "much"}, {"memory": "100K"}]
)
def test_options_are_refused(workshop: Workshop, wrong: dict[str, t.Any]) -> None:
    with pytest.raises(BadRequestError, match=f"boot_options.{next(iter(wrong))}"):
        workshop.customize(**CHECKED, boot_options={**DEFAULTS, **wrong})


def test_an_image_that_does_not_pass_the_audit_is_kept_and_not_published(workshop: Workshop) -> None:
    """The base itself has a secret of the recipe, which is not meant to be there, in a block that no file has."""
    secret = "opensesame-4711"
    image = workshop.host.tmpdir + "/base.raw"
    source = [image for image in base_image.ensure() if image.lineage == "server"][-1].path
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", source, image])
    with open(image, "r+b") as file:
        file.seek(-20 * 1024**2, 2)
        file.write(base64.b64encode(f"x{secret}x".encode()))
    step = {"password": {"user": "root", "password": secret}}
    options: dict[str, t.Any] = {"base": {"path": image, "format": "raw"}, "compression": "none", "audit": True}
    with pytest.raises(VerificationError) as caught:
        workshop.customize(steps=[step], **options, **CHECKED)
    error = caught.value
    assert "secrets: " in str(error) and "password of step 1 (password)" in str(error) and "base64" in str(error)
    assert secret not in str(error) + json.dumps(error.details)
    failed = Path(error.details["failed_image"])
    assert not workshop.link.exists()
    assert "failed  secrets" in failed.with_suffix(".audit.txt").read_text()
    record = json.loads(Path(f"{failed}.json").read_text())
    assert record["audit"]["passed"] is False
    # It was not booted.
    assert "audit" in record["stages"] and "boot" not in record and "boot" not in record["stages"]
    assert not failed.with_suffix(".console.log").exists()
    allowed = {**options, "audit_allow": [{"rule": "secrets", "paths": ["*"], "reason": "the vendor's own"}]}
    done = workshop.customize(steps=[step], **allowed)
    (rule,) = (rule for rule in done["audit"]["rules"] if rule["rule"] == "secrets")
    assert (rule["status"], rule["allowed"][0]["reason"]) == ("allowed", "the vendor's own")
    assert workshop.customize(steps=[step], **options)["changed"] is False
