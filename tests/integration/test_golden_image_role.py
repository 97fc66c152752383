# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role golden_image says and does without a launch: wrong lists, foreign hosts, single tags, check mode."""

from __future__ import annotations

import json
import os
import re
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server

from .examples import ROOT
from .plays import Played, run_playbook

ROLE = ROOT / "roles" / "golden_image"


@pytest.fixture(name="variables")
def fixture_variables(server: Server, keys: Keys, tmp_path: Path) -> dict[str, t.Any]:
    return {
        "ansible_python_interpreter": sys.executable,
        "golden_image_release": "noble",
        "golden_image_mirrors": [server.url],
        "golden_image_keyring": str(keys.binary),
        "golden_image_store": str(tmp_path / "store"),
        "golden_image_dest_dir": str(tmp_path / "golden"),
        "golden_image_install_packages": False,
        "golden_image_steps": [{"hostname": {"name": "a"}}],
    }


def play(variables: dict[str, t.Any], *options: str, **more: t.Any) -> Played:
    return run_playbook("goldsmith.kvm.golden_image", *("-e", json.dumps(variables), *options), **more)


def refused(variables: dict[str, t.Any], *options: str, **more: t.Any) -> str:
    """What a play says that fails."""
    with pytest.raises(AssertionError) as caught:
        play(variables, *options, **more)
    return re.sub(r"\s+", " ", str(caught.value))


def test_argument_specs_have_the_role_s_defaults() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert {name: spec["default"] for name, spec in specs.items()} == defaults


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([{"relaese": "noble"}], "golden_image_images has unknown keys: relaese. Known are: arch, checksum,"),
        (["noble"], "golden_image_images"),
        ([{"name": "a"}, {"name": "b"}, {"name": "a"}], "entries that would replace each other's image: "),
        ([{}, {"size": "20G"}], "golden/noble-server, "),
    ],
)
def test_a_wrong_list_is_refused_before_anything_is_fetched(
    variables: dict[str, t.Any], tmp_path: Path, images: list[t.Any], said: str
) -> None:
    assert said in refused({**variables, "golden_image_images": images})
    assert not (tmp_path / "store").exists()


def test_check_mode_of_several_images(variables: dict[str, t.Any], tmp_path: Path) -> None:
    images = [{}, {"name": "b"}, {"name": "b", "dest_dir": str(tmp_path / "other")}]
    planned = play({**variables, "golden_image_images": images}, "--check", "--diff")
    assert planned.changed.count("goldsmith.kvm.golden_image : Customise it") == 3
    for name in ("golden/noble-server", "golden/b", "other/b"):
        assert re.search(rf"{name}-\S+\.qcow2 \(would be built\)", planned.output)
    assert list(tmp_path.glob("[sgo]*")) == []


def test_a_single_tag_checks_what_was_asked_for(variables: dict[str, t.Any], tmp_path: Path) -> None:
    wrong = {**variables, "golden_image_images": [{"relaese": "noble"}]}
    for tag in ("golden_image_fetch", "golden_image_build"):
        assert "golden_image_images has unknown keys: relaese" in refused(wrong, "--tags", tag)
    assert not (tmp_path / "store").exists()
    assert "(would be built)" in play(variables, "--check", "--tags", "golden_image_build").output


def test_only_fetching(variables: dict[str, t.Any], tmp_path: Path) -> None:
    assert play(variables, "--tags", "golden_image_fetch").changed == [
        "goldsmith.kvm.golden_image : Fetch the base image"
    ]
    assert len(list((tmp_path / "store" / "images").glob("*.img"))) == 1
    assert not (tmp_path / "golden").exists()


def test_a_host_without_apt(variables: dict[str, t.Any], tmp_path: Path) -> None:
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith(("apt", "dpkg")):
            (tmp_path / program.name).symlink_to(program)
    said = refused({**variables, "golden_image_install_packages": True}, environ={"PATH": str(tmp_path)})
    assert "The role installs its tools on Debian and Ubuntu alone, and dpkg-query failed on this host: " in said
    assert "set golden_image_install_packages: false" in said
    assert not os.path.exists(tmp_path / "store")
