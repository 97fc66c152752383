# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.os_release import parse_os_release


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'PRETTY_NAME="Ubuntu 24.04.2 LTS"\nID=ubuntu\n# note\n\nVERSION_ID="24.04"\n',
            {"PRETTY_NAME": "Ubuntu 24.04.2 LTS", "ID": "ubuntu", "VERSION_ID": "24.04"},
        ),
        ('A=\'x y\'\nB="a\\"b\\$"\nnot a line\n1=2\n', {"A": "x y", "B": 'a"b$'}),
        ("", {}),
    ],
)
def test_os_release(text: str, expected: dict[str, str]) -> None:
    assert parse_os_release(text) == expected
