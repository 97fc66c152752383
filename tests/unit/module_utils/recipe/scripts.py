# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of steps, run on this host: their paths lie in a directory of the test's own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t
from collections.abc import Mapping
from pathlib import Path

from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Operation, Run
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps

SPECIAL = list("'\"$`\\ ;&|<>()#*?!~-\t%{}[]ä:")
"""What some program on the way may take for something else."""
lines = st.text(
    st.sampled_from(SPECIAL) | st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), max_size=20
)
names = lines.map(lambda text: text.replace("/", "_")).filter(
    lambda text: text.strip() != "" and text not in {".", ".."} and len(text.encode()) < 100
)
"""Names that a file may have."""


def operations(kind: str, options: Mapping[str, t.Any], **paths: str) -> tuple[Operation, ...]:
    """What a step comes down to."""
    (step,) = parse_steps([{kind: options}])
    return step.operations(paths).operations


def rendered(kind: str, options: Mapping[str, t.Any], **paths: str) -> Run:
    """The script of a step that has one."""
    (run,) = operations(kind, options, **paths)
    assert isinstance(run, Run)
    return run


def carry_out(kind: str, options: Mapping[str, t.Any], **paths: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a step as engines do."""
    run = rendered(kind, options, **paths)
    with tempfile.TemporaryDirectory(prefix="files-") as files:
        for name, text in run.contents.items():
            Path(files, name).write_text(text, newline="")
        for name, source in run.files.items():
            Path(files, name).symlink_to(source)
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root", "FILES": files}
        argv = ["sh", "-eu", "-c", run.script]
        return subprocess.run(
            argv, cwd="/", env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
