# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.build_host import (
    build_host_argument_spec,
    inspect_build_host,
    tools,
)
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost


def inspect(tmp_path: Path, **options: t.Any) -> dict[str, t.Any]:
    """What is found without asking QEMU, which is tested with accel."""
    defaults = {name: option.get("default") for name, option in build_host_argument_spec().items()}
    own = {"store": str(tmp_path / "store"), "accel": "tcg", "min_free": "0", "network": False}
    temporary = tmp_path / "tmp"
    temporary.mkdir(exist_ok=True)
    return inspect_build_host(LocalHost(str(temporary)), {**defaults, **own, **options}, False)


def causes(found: dict[str, t.Any]) -> list[str]:
    """Problems of the directories, for what is installed here is another matter."""
    return [each["problem"] for each in found["problems"] if str(each["problem"]).count("/") > 1]


def test_nothing_is_made(tmp_path: Path) -> None:
    found = inspect(tmp_path, dest_dirs=[str(tmp_path / "a/b")])
    assert found["ready"] == (found["problems"] == [])
    assert set(found["tools"]) == set(tools())
    assert [(each["purpose"], each["exists"]) for each in found["directories"]][:2] == [
        ("store", False),
        ("destination", False),
    ]
    assert sorted(os.listdir(tmp_path)) == ["tmp"]
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"store": "{tmp}/file/store"}, "{tmp}/file is not a directory"),
        ({"store": "{tmp}/dangling"}, "{tmp}/dangling is not a directory"),
        ({"dest_dirs": ["{tmp}/file"]}, "{tmp}/file is not a directory"),
        ({"dest_dirs": ["{tmp}"], "min_free": "1E"}, " are free on the file system of {tmp}, and 1 EiB are wanted"),
        (
            {"store": "{tmp}/a:b"},
            "libguestfs cannot open {tmp}/a:b/layers/disk.qcow2, because of the colon in its path",
        ),
    ],
)
def test_directories_of_no_use(tmp_path: Path, options: dict[str, t.Any], expected: str) -> None:
    if "colon" in expected and any(version is None for version in inspect(tmp_path)["tools"].values()):
        pytest.skip("the engine's programs are not installed")
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    given = {
        name: [each.format(tmp=tmp_path) for each in value] if isinstance(value, list) else value.format(tmp=tmp_path)
        for name, value in options.items()
    }
    found = inspect(tmp_path, **given)
    assert not found["ready"]
    assert any(expected.format(tmp=tmp_path) in cause for cause in causes(found)), causes(found)


def test_two_directories_with_one_problem_name_it_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = inspect(tmp_path, dest_dirs=[str(tmp_path / "file/a"), str(tmp_path / "file/b")])
    assert causes(found) == [f"{tmp_path}/file is not a directory"]
    assert [each["free"] for each in found["directories"] if each["purpose"] == "destination"] == [None, None]


def test_a_size_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError) as caught:
        inspect(tmp_path, min_free="much")
    assert caught.value.cause == "min_free is 'much', which is not a size"
