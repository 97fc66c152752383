# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.space import require_free_space


def test_free_space(tmp_path: Path) -> None:
    require_free_space(str(tmp_path), 1024**2, "The build")
    with pytest.raises(StoreError, match=r"The build needs 1 EiB in .*, and .* are free there"):
        require_free_space(str(tmp_path), 1 << 60, "The build")
    missing = tmp_path / "missing"
    with pytest.raises(StoreError, match=f"{missing} cannot be written to: No such file or directory") as caught:
        require_free_space(str(missing), 1, "The build")
    assert "Make it, or choose another directory" in str(caught.value)
