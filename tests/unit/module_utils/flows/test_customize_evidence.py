# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an image by what its boots say. Real ones are in tests/integration/test_customize_checks.py."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot import firmware
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.model import (
    Boot,
    BootError,
    BootInterruptedError,
    BootOptions,
    CloudInit,
    Seconds,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    CommandError,
    GoldsmithError,
    MissingProgramError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import boot
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop
from ansible_collections.goldsmith.kvm.tests.unit.small_tmpfs import small_tmpfs

PROGRAMS = ["qemu-system-x86_64", "xorriso", "ssh-keygen", "ssh"]
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


class ToolHost(LocalHost):
    """Has the programs of boots, as far as asking goes, and lacks one."""

    lacks = ""

    def which(self, program: str) -> str | None:
        found = f"/usr/bin/{program}" if program in PROGRAMS else super().which(program)
        return None if program == self.lacks else found


class Boots:
    """In place of ``check_boot``: what came of the boots, and how many there were."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None

    def __call__(self, host: object, *, options: BootOptions, **dummy: object) -> Boot:
        self.asked.append(options.firmware)
        if self.error is not None:
            raise self.error
        none = Seconds(None, None, None, None, None, None)
        cloud_init = CloudInit("done", None, "DataSourceNoCloud", (), ())
        return Boot(options.firmware, "tcg", none, cloud_init, (), (), (), "6.8", "ab", None, (), None, None)


@pytest.fixture(name="boots")
def fixture_boots(workshop: Workshop, engine: ScribblingEngine, monkeypatch: pytest.MonkeyPatch) -> Boots:
    boots = Boots()
    monkeypatch.setattr(boot, "check_boot", boots)
    monkeypatch.setattr(firmware, "find", lambda: ("code", "variables"))
    workshop.host = ToolHost(workshop.host.tmpdir)
    return boots


def checked(*firmwares: str, **options: t.Any) -> dict[str, t.Any]:
    wanted = {**DEFAULTS, "firmware": list(firmwares) or ["bios"], **options}
    return {"boot_check": True, "accel": "tcg", "boot_options": wanted}


def refusal(workshop: Workshop, command: str = "true", **options: t.Any) -> GoldsmithError:
    with pytest.raises(GoldsmithError) as caught:
        workshop.customize(command, **{**checked(), **options})
    return caught.value


def asked(record: str) -> list[str]:
    return [booted["asked"] for booted in json.loads(Path(record).read_text())["boot"]]


def test_boots_that_are_recorded_stay(workshop: Workshop, boots: Boots) -> None:
    first = workshop.customize(**checked("bios"))
    assert asked(first["record"]) == boots.asked == ["bios"]
    other = workshop.customize(**checked("bios", "uefi"))
    assert (other["changed"], asked(other["record"]), boots.asked) == (True, ["bios", "uefi"], ["bios", "uefi"])
    for firmwares in (["bios"], ["uefi"], ["uefi", "bios"]):
        again = workshop.customize(**checked(*firmwares))
        assert (again["changed"], asked(again["record"])) == (False, ["bios", "uefi"])
    assert boots.asked == ["bios", "uefi"]


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (
            BootError("it does not boot", "Repair it", stage="kernel", console="panic\n"),
            "failed",
            "The image is not pu",
        ),
        (
            BootInterruptedError("QEMU was ended", "See who", stage="kernel", console="and then\n"),
            "unchecked",
            "The image was built, could not be checked, and is not published",
        ),
        (CommandError("no memory"), "unchecked", "The image was built, could not be checked"),
        (KeyError("x"), "unchecked", "ended in an error that it should not meet: KeyError: 'x'"),
    ],
)
def test_what_was_built_is_kept_by_a_name_that_is_true(
    workshop: Workshop, boots: Boots, error: Exception, kind: str, said: str
) -> None:
    old = workshop.customize("old")["image"]["path"]
    boots.error = error
    refused = refusal(workshop, "new")
    assert said in str(refused)
    kept = Path(refused.details["failed_image"])
    assert str(kept) in str(refused)
    assert kept.name.endswith(f".{kind}.qcow2") and kept.stat().st_size > 0
    assert workshop.link.resolve() == Path(old)
    assert ("Traceback" in refused.details.get("exception", "")) == isinstance(error, KeyError)
    # One is kept, whatever its kind.
    boots.error = CommandError("no memory")
    later = Path(refusal(workshop, "newer").details["failed_image"])
    assert [path for path in workshop.golden.glob("*.qcow2") if path.name.count(".") > 1] == [later]


def test_an_image_that_cannot_be_kept_hides_no_reason(workshop: Workshop, boots: Boots, tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "small", "1M") as directory:
        boots.error = BootError("it does not boot", "Repair it", stage="kernel", console="panic\n" * 400_000)
        refused = refusal(workshop, dest_dir=str(directory))
        assert refused is boots.error
        assert (
            "it does not boot. Repair it. The image is not published. It could not be kept either: no space left on"
            in (str(refused))
        )
        assert list(directory.iterdir()) == []


def test_a_published_image_that_does_not_boot(workshop: Workshop, boots: Boots) -> None:
    first = workshop.customize("old")["image"]["path"]
    boots.error = BootError("it does not boot", "Repair it", stage="kernel", console="panic\n")
    refused = refusal(workshop, "old")
    assert f"{first} was published before, without this check, and stays: {workshop.link} leads to it" in str(refused)
    assert "set force: true, and a further image is built that has to pass first" in str(refused)
    (console,) = (workshop.store / "logs").glob("web-*.console.log")
    assert f"What was found is in {console} on the build host" in str(refused)
    assert console.read_text() == "panic\n"
    workshop.customize("new")
    assert f"and stays: {workshop.link} does not lead to it" in str(refusal(workshop, "old"))
    boots.error = CommandError("no memory")
    unknown = str(refusal(workshop, "old"))
    assert "was published before, without this check, and stays" in unknown and "force" not in unknown


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_looked_for_before_the_build(
    workshop: Workshop, boots: Boots, engine: ScribblingEngine, program: str
) -> None:
    host = t.cast("ToolHost", workshop.host)
    host.lacks = program
    assert workshop.customize(check_mode=True, **checked())["changed"]
    (warning,) = host.warnings
    assert warning.startswith(f"the image cannot be checked on this host as it is: the program {program} is not")
    assert isinstance(refusal(workshop), MissingProgramError)
    assert engine.builds == []
    workshop.customize()
    host.warnings.clear()
    assert workshop.customize(check_mode=True, **checked())["reason"] == ["boot"]
    assert len(host.warnings) == 1
    assert isinstance(refusal(workshop), MissingProgramError)


def test_programs_of_the_audit(workshop: Workshop, boots: Boots, engine: ScribblingEngine) -> None:
    t.cast("ToolHost", workshop.host).lacks = "debugfs"
    with pytest.raises(MissingProgramError, match=r"debugfs .* Install the package e2fsprogs"):
        workshop.customize(audit=True)
    assert engine.builds == []


def test_a_disk_that_is_smaller_than_the_image(workshop: Workshop, boots: Boots, engine: ScribblingEngine) -> None:
    said = r"boot_options\.disk_size is 100 MiB, less than the image's 128 MiB\. Leave boot_options\.disk_size out"
    for check_mode in (True, False):
        with pytest.raises(BadRequestError, match=said):
            workshop.customize(size="128M", check_mode=check_mode, **checked(disk_size="100M"))
    assert engine.builds == []
    workshop.customize(size="128M")
    for check_mode in (True, False):
        with pytest.raises(BadRequestError, match=said):
            workshop.customize(size="128M", check_mode=check_mode, **checked(disk_size="100M"))
    assert workshop.customize(size="128M", **checked(disk_size="128M"))["changed"]


def test_a_base_of_another_architecture(workshop: Workshop, boots: Boots, engine: ScribblingEngine) -> None:
    base = {"path": str(workshop.base), "arch": "arm64"}
    assert "boot checks are for amd64, and the image is for arm64" in str(refusal(workshop, base=base))
    assert engine.builds == []
    assert workshop.customize(base=base)["changed"]
