# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role golden_image says of options before it fetches anything."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.goldsmith.kvm.plugins.filter.image_problems import image_problems


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ({"steps": "x"}, "a.steps is not a list."),
        ({"steps": [{"hostnam": {"name": "a"}}]}, "a.steps[0].hostnam (step 1) is not a kind of step; hostname is."),
        ({"audit": "perhaps"}, "a.audit: argument 'audit' is of type str"),
        ({"audit_allow": [{"rule": "logz", "reason": "x"}]}, "a.audit_allow[0].rule is 'logz', which is no rule"),
        ({"audit_allow": [{"rule": "logs"}]}, "a.audit_allow: missing required arguments: reason"),
        ({"boot_check": "perhaps"}, "a.boot_check: argument 'boot_check' is of type str"),
        ({"boot_options": {"memory": "much"}}, "a.boot_options.memory is 'much', which is not a size."),
        ({"boot_options": {"firmware": []}}, "a.boot_options.firmware is empty"),
        ({"boot_options": {"firmware": ["bios"] * 2}}, "a.boot_options.firmware is bios, bios. Name each firmware o"),
        ({"boot_options": {"cpu": 1}}, "a.boot_options: there is no boot_options.cpu. Supported parameters include: "),
        ({"formats": "vmdk"}, "a.formats of an image are not a list: 'vmdk'. Write them as [{format: vmdk}]."),
        ({"formats": 3}, "a.formats of an image are not a list: 3."),
        ({"formats": ["vmdk"]}, "a.formats: a format of an image is not a dictionary with format: 'vmdk'."),
        ({"formats": [{"format": "x"}]}, "a.formats[0]: value of format must be one of: qcow2, raw, vmdk, vhdx,"),
        ({"formats": [{"format": 7}]}, "a.formats[0]: value of format must be one of: "),
        (
            {"formats": [{"format": "vmdk"}] * 2},
            "a.formats: two formats would be written to NAME-SERIAL-FINGERPRINT.vmdk. Give one a suffix",
        ),
        ({"formats": [{"format": "raw"}, {"format": "vmdk", "hwversion": 99}]}, "a.formats[1].hwversion is 99, which"),
        ({"formats": [{"format": "raw", "colour": 1}]}, "a.formats[0]: there is no colour. Supported parameters"),
        ({"keep": -3}, "a.keep is -3. Give a number from 0 on; 0 keeps all."),
        ({"keep": "x"}, "a.keep: argument 'keep' is of type str"),
    ],
)
def test_a_wrong_option_is_told_in_one_sentence_with_its_place(image: dict[str, t.Any], said: str) -> None:
    (problem,) = image_problems({"b.": {"keep": 1}, "a.": image})
    assert problem.startswith(said) and not problem.endswith("..")


def test_nothing_is_said_of_what_is_right_or_not_given() -> None:
    image = {
        "name": "web",
        "steps": [{"hostname": {"name": "a"}}],
        "audit": "no",
        "audit_allow": [{"rule": "logs", "reason": "x"}],
        "boot_check": "false",
        "boot_options": {"memory": "2G", "firmware": ["bios", "uefi"]},
        "formats": [{"format": "vmdk"}, {"format": "vmdk", "suffix": "big.vmdk"}, {"format": "qcow2"}],
        "keep": "2",
    }
    assert image_problems({"a.": image, "b.": {}, "c.": {"keep": None, "boot_options": {}}}) == []


def test_every_wrong_option_is_told() -> None:
    problems = image_problems({"a.": {"keep": -1, "formats": "x"}, "b.": {"keep": -2}})
    assert [problem.split()[0] for problem in problems] == ["a.formats", "a.keep", "b.keep"]


def test_no_secret_of_a_step_is_told() -> None:
    (problem,) = image_problems({"": {"steps": [{"password": {"user": "root", "password": "hunter2-x", "x": 1}}]}})
    assert "hunter2-x" not in problem


@pytest.mark.parametrize("images", [["a"], {"a": "b"}])
def test_what_is_no_image(images: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a dictionary of dictionaries"):
        image_problems(images)
