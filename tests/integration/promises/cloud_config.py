# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import os
import stat
import subprocess
import tempfile
import typing as t
from pathlib import Path

import yaml

from . import Place

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB o'neil"
CONFIG = {"apt": {"preserve_sources_list": True}, "promises": {"text": "ä\n: # 'x' \x85\U0001f600", "none": None}}
SECRET = "promises_secret: {token: not-told}"

# As cloud-init reads its configuration.
READ = """\
from cloudinit import util
config = util.read_conf_with_confd("/etc/cloud/cloud.cfg")
names = ["datasource_list", "ssh_authorized_keys", "apt", "promises", "promises_text", "promises_secret"]
print(ascii([config[name] for name in names]))
"""


def steps(place: Place) -> list[dict[str, t.Any]]:
    parts = {"datasource_list": ["NoCloud", "None"], "ssh_authorized_keys": [KEY]}
    return [
        {"cloud_config": {"name": "95-promises", "config": CONFIG, **parts}},
        {"cloud_config": {"name": "95-promises-text", "content": "# YAML\npromises_text: [1, b]"}},
        {"cloud_config": {"name": "95-promises-secret", "secret_content": SECRET, "in_image": True}},
    ]


def datasources(root: Path) -> list[str]:
    """Where ds-identify of the image, which is asked before anything of cloud-init runs, lets a clone look."""
    with tempfile.TemporaryDirectory() as run:
        places = {"PATH_ROOT": str(root), "PATH_RUN": run, "PATH_PROC_CMDLINE": os.devnull, "DI_LOG": "stderr"}
        argv = ["sh", root / "usr/lib/cloud-init/ds-identify", "--force"]
        subprocess.run(argv, env={**os.environ, **places}, check=True, capture_output=True)
        (told,) = yaml.safe_load(Path(run, "cloud-init/cloud.cfg").read_text()).values()
    return t.cast("list[str]", told)


def check(root: Path) -> None:
    argv = ["chroot", root, "python3", "-c", READ]
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    expected = [["NoCloud", "None"], [KEY], CONFIG["apt"], CONFIG["promises"], [1, "b"], {"token": "not-told"}]
    assert ast.literal_eval(found) == expected
    assert datasources(root) == ["NoCloud", "None"]
    directory = root / "etc/cloud/cloud.cfg.d"
    assert stat.S_IMODE((directory / "95-promises.cfg").stat().st_mode) == 0o644
    assert stat.S_IMODE((directory / "95-promises-secret.cfg").stat().st_mode) == 0o600
