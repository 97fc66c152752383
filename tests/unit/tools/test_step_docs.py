# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS
from ansible_collections.goldsmith.kvm.tests.tools.step_docs import MODULE, renewed


def test_the_documentation_of_steps_is_that_of_their_files() -> None:
    written = MODULE.read_text(encoding="utf-8")
    assert written == renewed(written, KINDS.values()), "run python -m tests.tools.step_docs"
