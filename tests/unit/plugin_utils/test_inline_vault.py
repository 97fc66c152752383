# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.goldsmith.kvm.plugins.plugin_utils.inline_vault import decrypted


class Sealed:
    """As ansible-core before 2.19 has it; tests/integration/test_oldest_ansible.py has the real one."""

    __ENCRYPTED__ = True

    def __str__(self) -> str:
        return "plain"


def test_what_is_encrypted_is_replaced_at_any_depth() -> None:
    steps = [{"write": {"secret_content": Sealed(), "dest": "/a"}}, {"deb": {"src": ["a", Sealed()]}, "timeout": 3}]
    assert decrypted(steps) == [
        {"write": {"secret_content": "plain", "dest": "/a"}},
        {"deb": {"src": ["a", "plain"]}, "timeout": 3},
    ]
    assert "plain" not in repr(steps)
