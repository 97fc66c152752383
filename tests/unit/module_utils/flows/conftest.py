# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.engine import registry
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScribblingEngine:
    engine = ScribblingEngine()
    monkeypatch.setitem(registry.ENGINES, engine.name, engine)
    return engine
