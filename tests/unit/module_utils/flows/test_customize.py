# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    StepError,
    StoreError,
    VerificationError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.files import hash_file
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.layout import Layout
from ansible_collections.goldsmith.kvm.plugins.module_utils.store.references import golden_images
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop

SECRET = [{"user": {"name": "ops", "password_hash": "$6$salt$secrethash"}}]


def info(path: Path) -> dict[str, object]:
    argv = ["qemu-img", "info", "--output=json", str(path)]
    described: dict[str, object] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return described


def test_check_apply_check_apply(workshop: Workshop, engine: ScribblingEngine) -> None:
    predicted = workshop.customize(check_mode=True)
    assert workshop.files() == {}
    built = workshop.customize()
    before = workshop.files()
    predicted_again = workshop.customize(check_mode=True)
    unchanged = workshop.customize()

    assert [result["changed"] for result in (predicted, built, predicted_again, unchanged)] == [
        True,
        True,
        False,
        False,
    ]
    assert predicted["image"]["path"] == built["image"]["path"]
    assert predicted["fingerprint"] == built["fingerprint"]
    assert predicted["diff"] == built["diff"]
    assert predicted["image"]["digest"] is None
    assert predicted_again["image"] == unchanged["image"] == built["image"]
    assert unchanged["packages_added"] == {"hello": "2.10-3"}
    assert len(engine.builds) == 1
    assert list(unchanged["stages"]) == ["plan"]
    assert workshop.files() == before


def test_what_is_published(workshop: Workshop, engine: ScribblingEngine) -> None:
    result = workshop.customize()
    path = Path(result["image"]["path"])
    assert path.name == f"web-20260905-{result['fingerprint'][7:15]}.qcow2"
    assert workshop.visible() == sorted([path.name, f"{path.name}.json", f"{path.name}.log", "web.qcow2"])
    assert os.readlink(workshop.link) == path.name
    assert result["image"]["current"] == str(workshop.link)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert result["image"]["digest"] == hash_file(str(path))
    assert result["image"]["size"] == path.stat().st_size
    described = info(path)
    assert "backing-filename" not in described
    assert "zstd" in json.dumps(described)

    record = json.loads(Path(result["record"]).read_text())
    assert record["fingerprint"] == result["fingerprint"]
    assert record["image"] == {"file": path.name, "digest": result["image"]["digest"], "size": result["image"]["size"]}
    assert record["base"] == {"serial": "20260905", "path": str(workshop.base), "digest": hash_file(str(workshop.base))}
    assert record["recipe"]["steps"] == [{"run_command": {"command": "true"}}]
    assert record["packages"]["added"] == {"hello": "2.10-3"}
    assert record["versions"] == {"scribbler": "1"}

    (inside,) = engine.contents
    assert json.loads(inside) == {
        **{key: record[key] for key in ("schema", "name", "fingerprint", "created", "recipe", "steps")},
        "base": {"serial": "20260905", "digest": record["base"]["digest"]},
    }
    (golden,) = golden_images(Layout(str(workshop.store)))
    assert (golden.image_path, golden.base_digest) == (str(path), record["base"]["digest"])
    assert os.listdir(workshop.store / "layers") == []


def test_the_base_stays_as_it_is_and_sizes_only_grow(workshop: Workshop, engine: ScribblingEngine) -> None:
    before = hash_file(str(workshop.base))
    result = workshop.customize(size="128M")
    assert info(Path(result["image"]["path"]))["virtual-size"] == 128 * 1024**2
    assert hash_file(str(workshop.base)) == before
    for check_mode in (True, False):
        with pytest.raises(BadRequestError, match="size 32 MiB is less than the base image's 64 MiB"):
            workshop.customize(size="32M", check_mode=check_mode)


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"size": "3P"}, "size is '3P', and a qcow2 holds 2 PiB at the most"),
        ({"size": "large"}, "size is 'large', which is not a size"),
        ({"name": "n" * 129}, "name is 129 characters long"),
    ],
)
def test_what_no_file_system_or_format_takes_is_refused_at_once(
    workshop: Workshop, engine: ScribblingEngine, check_mode: bool, changed: dict[str, str], said: str
) -> None:
    with pytest.raises(BadRequestError, match=said):
        workshop.customize(check_mode=check_mode, **changed)
    assert engine.builds == []


def test_the_longest_name_can_be_published(workshop: Workshop, engine: ScribblingEngine) -> None:
    assert len(workshop.customize(name="n" * 128)["image"]["path"]) > 128
    assert workshop.customize(name="n" * 128)["changed"] is False


@pytest.mark.parametrize("option", ["store", "dest_dir"])
def test_a_file_where_a_directory_should_be(workshop: Workshop, engine: ScribblingEngine, option: str) -> None:
    for path in (workshop.base, workshop.base / "below"):
        for check_mode in (True, False):
            with pytest.raises(StoreError, match=r"is a file, and no directory\. Choose another directory"):
                workshop.customize(check_mode=check_mode, **{option: str(path)})
    assert engine.builds == []


def test_a_failed_step_leaves_the_current_image(workshop: Workshop, engine: ScribblingEngine) -> None:
    workshop.customize()
    before = workshop.visible()
    with pytest.raises(StepError, match=r"step 1 \(run_command\) failed"):
        workshop.customize("fail")
    assert workshop.visible() == before
    assert os.listdir(workshop.store / "layers") == []


def test_steps_that_differ(workshop: Workshop, engine: ScribblingEngine) -> None:
    steps = [{"hostname": {"name": "a"}}, {"timezone": {"name": "UTC"}}]
    workshop.customize(steps=steps)
    changed = workshop.customize(steps=[steps[0], {"timezone": {"name": "Etc/UTC"}}, steps[0]], check_mode=True)
    assert [step["changed"] for step in changed["steps"]] == [False, True, True]
    assert [step["index"] for step in changed["steps"]] == [1, 2, 3]
    assert changed["diff"]["before"]["steps"] == steps
    assert changed["diff"]["after"]["steps"][1] == {"timezone": {"name": "Etc/UTC"}}


def test_an_older_recipe_is_made_current_without_a_build(workshop: Workshop, engine: ScribblingEngine) -> None:
    first, second = workshop.customize("one"), workshop.customize("two")
    assert workshop.link.resolve() == Path(second["image"]["path"])
    assert workshop.customize("one", check_mode=True)["changed"]
    assert workshop.link.resolve() == Path(second["image"]["path"])
    assert workshop.customize("one")["changed"]
    assert workshop.link.resolve() == Path(first["image"]["path"])
    assert not workshop.customize("one")["changed"]
    assert len(engine.builds) == 2


def test_a_missing_link_is_put_back(workshop: Workshop, engine: ScribblingEngine) -> None:
    workshop.customize()
    workshop.link.unlink()
    assert workshop.customize()["changed"]
    assert workshop.link.is_symlink()
    assert not workshop.customize()["changed"]
    assert len(engine.builds) == 1


def test_a_file_in_place_of_the_link_is_not_replaced(workshop: Workshop, engine: ScribblingEngine) -> None:
    workshop.golden.mkdir()
    workshop.link.write_text("somebody's disk")
    with pytest.raises(StoreError, match="is not a link"):
        workshop.customize()
    assert workshop.link.read_text() == "somebody's disk"
    assert engine.builds == []


def test_a_vanished_image_is_built_again(workshop: Workshop, engine: ScribblingEngine) -> None:
    path = Path(workshop.customize()["image"]["path"])
    path.unlink()
    assert workshop.customize(check_mode=True)["changed"]
    assert workshop.customize()["changed"]
    assert path.exists()
    assert len(engine.builds) == 2


def test_a_touched_image_is_read_once_and_believed(workshop: Workshop, engine: ScribblingEngine) -> None:
    path = Path(workshop.customize()["image"]["path"])
    os.utime(path)
    assert not workshop.customize()["changed"]
    assert len(engine.builds) == 1


def test_an_image_that_was_written_to_is_never_overwritten(workshop: Workshop, engine: ScribblingEngine) -> None:
    path = Path(workshop.customize()["image"]["path"])
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b"a guest was here")
    for check_mode in (True, False):
        with pytest.raises(StoreError, match="was changed after it was published"):
            workshop.customize(check_mode=check_mode)
    assert path.read_bytes().endswith(b"a guest was here")


def test_an_image_without_its_record_is_never_overwritten(workshop: Workshop, engine: ScribblingEngine) -> None:
    result = workshop.customize()
    Path(result["record"]).unlink()
    with pytest.raises(StoreError, match="does not say that it was built by this recipe"):
        workshop.customize()


@pytest.mark.parametrize("part", ["base", "recipe", "image", "packages"])
@pytest.mark.parametrize("instead", [None, {}, []])
def test_a_damaged_build_record_is_named(
    workshop: Workshop, engine: ScribblingEngine, part: str, instead: object
) -> None:
    record = Path(workshop.customize()["record"])
    record.write_text(json.dumps({**json.loads(record.read_text()), part: instead}))
    for check_mode in (True, False):
        with pytest.raises(StoreError, match=r"qcow2\.json is damaged: .* Move it away"):
            workshop.customize(check_mode=check_mode)
    assert workshop.customize("another")["changed"]


def test_a_base_that_is_not_what_its_digest_says(workshop: Workshop, engine: ScribblingEngine) -> None:
    base = {"path": str(workshop.base), "digest": f"sha256:{'0' * 64}"}
    with pytest.raises(VerificationError, match="is not what was asked for: its digest is sha256:"):
        workshop.customize(base=base)
    # In check mode image_fetch names a base that is not there yet.
    absent = {"path": str(workshop.base) + ".absent", "digest": f"sha256:{'0' * 64}"}
    assert workshop.customize(base=absent, check_mode=True)["image"]["path"].endswith(".qcow2")
    unknown = workshop.customize(base={"path": None, "digest": None}, check_mode=True)
    assert unknown["image"]["path"] is None
    assert unknown["diff"]["after"]["current"] == "(not known before the base is fetched)"
    with pytest.raises(BadRequestError, match="is no file of this host"):
        workshop.customize(base=absent)
    assert engine.builds == []


def test_a_base_without_a_serial_gives_its_digest_to_the_name(workshop: Workshop, engine: ScribblingEngine) -> None:
    result = workshop.customize(base={"path": str(workshop.base)})
    assert f"/web-{hash_file(str(workshop.base))[7:15]}-" in result["image"]["path"]


def test_a_serial_that_yaml_takes_for_a_number(workshop: Workshop, engine: ScribblingEngine) -> None:
    path = str(workshop.base)
    number = workshop.customize(base={"path": path, "serial": 20260905, "version": 24.04}, check_mode=True)
    text = workshop.customize(base={"path": path, "serial": "20260905"}, check_mode=True)
    assert number["image"]["path"] == text["image"]["path"]


def test_a_base_whose_copy_broke_off_is_refused(workshop: Workshop, engine: ScribblingEngine) -> None:
    subprocess.run(["qemu-io", "-c", "write 0 8M", str(workshop.base)], check=True, capture_output=True)
    os.truncate(workshop.base, 4 * 1024**2)
    for check_mode in (True, False):
        with pytest.raises(VerificationError, match=r"base\.qcow2 is damaged: qemu-img check finds \d+ errors"):
            workshop.customize(check_mode=check_mode)
    assert engine.builds == []


def test_a_base_that_names_another_file_is_refused(workshop: Workshop, engine: ScribblingEngine) -> None:
    evil = workshop.base.with_name("evil.qcow2")
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", workshop.base, evil]
    subprocess.run(argv, check=True)
    for check_mode in (True, False):
        with pytest.raises(VerificationError, match="needs the backing file"):
            workshop.customize(base={"path": str(evil)}, check_mode=check_mode)
    workshop.base.write_text("<html>404</html>")
    with pytest.raises(VerificationError, match="is not a disk image"):
        workshop.customize()
    assert engine.builds == []


def test_a_secret_stands_nowhere(workshop: Workshop, engine: ScribblingEngine) -> None:
    predicted = workshop.customize(steps=SECRET, check_mode=True)
    assert predicted["image"]["path"] is None
    assert predicted["diff"]["after"]["current"] == "(not known before the store has a key for secrets)"
    assert workshop.files() == {}
    result = workshop.customize(steps=SECRET)
    assert not workshop.customize(steps=SECRET)["changed"]
    assert workshop.customize(steps=SECRET, check_mode=True)["image"] == result["image"]
    texts = [json.dumps(predicted), json.dumps(result), *engine.contents]
    texts += [path.read_text() for top in (workshop.store, workshop.golden) for path in top.rglob("*.json")]
    assert not any("secrethash" in text for text in texts)
    assert any("hmac-sha256:" in text for text in texts)
