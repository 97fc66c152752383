# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.file_attributes import ModuleAttributes


def unknown(**params: t.Any) -> list[str]:
    return ModuleAttributes(t.cast(t.Any, SimpleNamespace(params=params))).unknown()


@pytest.mark.parametrize("mode", [None, 420, "0644", "0o600", "u=rw,go=r", "a+X", "g-w+x,o=", "=u"])
def test_a_mode_that_a_file_can_be_given(mode: t.Any) -> None:
    assert unknown(mode=mode) == []


@pytest.mark.parametrize("mode", ["rw", "0689", "u=rw;go=r", "b+x", "u+y", "ua+x"])
def test_a_mode_that_no_file_can_be_given(mode: str) -> None:
    assert unknown(owner="no-such-user", mode=mode) == ["owner no-such-user", f"mode {mode}"]
