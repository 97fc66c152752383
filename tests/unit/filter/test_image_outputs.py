# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the other formats of a golden image are written."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.goldsmith.kvm.plugins.filter.image_outputs import image_outputs

PATH = "/srv/golden/web-1-1a2b3c4d.qcow2"


def test_they_lie_beside_the_image_under_its_name() -> None:
    formats = [
        {"format": "vmdk", "subformat": "monolithicSparse"},
        {"format": "qcow2"},
        {"format": "raw", "suffix": "img"},
    ]
    assert image_outputs(formats, PATH) == [
        {"format": "vmdk", "subformat": "monolithicSparse", "dest": "/srv/golden/web-1-1a2b3c4d.vmdk"},
        {"format": "qcow2", "dest": "/srv/golden/web-1-1a2b3c4d.converted.qcow2"},
        {"format": "raw", "dest": "/srv/golden/web-1-1a2b3c4d.img"},
    ]


@pytest.mark.parametrize(
    ("formats", "said"),
    [
        (["vmdk"], "not a dictionary with format: 'vmdk'"),
        ([{"suffix": "vmdk"}], "not a dictionary with format"),
        ([{"format": "vmdk", "dest": "/x"}], "has dest"),
        ([{"format": "vmdk", "suffix": "a/b"}], "no good end for a file's name beside the image: 'a/b'"),
        ([{"format": "qcow2", "suffix": "qcow2"}], "no good end"),
        (
            [{"format": "vmdk"}, {"format": "vmdk", "subformat": "monolithicSparse"}],
            "two formats would be written to /srv",
        ),
    ],
)
def test_what_cannot_be(formats: list[t.Any], said: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        image_outputs(formats, PATH)
    assert said in str(caught.value)
