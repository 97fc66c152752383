# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.open_files import opened_by


def test_who_has_a_file_open(tmp_path: Path) -> None:
    opened, closed, gone = (tmp_path / name for name in ("opened", "closed", "gone"))
    for path in (opened, closed):
        path.write_text("content")
    other = tmp_path / "other"
    os.link(opened, other)
    (tmp_path / "elsewhere").mkdir()
    same_name = tmp_path / "elsewhere" / "closed"
    same_name.write_text("content")
    paths = [str(path) for path in (opened, closed, gone)]
    with opened.open() as stdin, same_name.open() as stdout:
        process = subprocess.Popen(["sleep", "60"], stdin=stdin, stdout=stdout)
    try:
        assert opened_by(paths) == {str(opened): [f"{process.pid} (sleep)"]}
    finally:
        process.kill()
        process.wait()
    assert opened_by(paths) == {}
    with opened.open(), closed.open():
        assert {path: len(found) for path, found in opened_by(paths).items()} == {str(opened): 1, str(closed): 1}
    assert opened_by([]) == {}
