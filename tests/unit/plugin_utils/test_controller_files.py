# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.controller_files import ControllerFiles


@pytest.mark.parametrize("kind", ["upload", "template"])
def test_a_pipe_is_no_file(tmp_path: Path, kind: str) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    (step,) = parse_steps([{kind: {"src": pipe, "dest": "/opt/a"}}])
    files = ControllerFiles(None, None, {}, lambda dummy, name: name)
    with pytest.raises(BadRequestError, match=r"src of step 1 .* is no regular file: .*pipe\. Name a file"):
        files.ready(step, "src", pipe)
