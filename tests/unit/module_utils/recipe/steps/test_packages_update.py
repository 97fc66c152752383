# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The refresh of package lists, with the real apt-get on roots of its own, and with what older ones print."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.apt import UPDATE, apt_get

# apt 1.6.17: exits with 0.
OLD_WARNINGS = {
    "unreachable": """\
Err:1 http://archive.example/ubuntu bionic InRelease
  Could not connect to archive.example:80 (192.0.2.1), connection timed out
Reading package lists...
W: Failed to fetch http://archive.example/ubuntu/dists/bionic/InRelease  Could not connect to archive.example:80
W: Some index files failed to download. They have been ignored, or old ones used instead.
""",
    "signature": """\
Get:1 http://archive.example/ubuntu bionic InRelease [242 kB]
Reading package lists...
W: An error occurred during the signature verification. The repository is not updated and the previous index files \
will be used. GPG error: http://archive.example/ubuntu bionic InRelease
""",
}


def update(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "LC_ALL": "C.UTF-8", **environ}
    return subprocess.run(["sh", "-eu", "-c", UPDATE], env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def apt(tmp_path: Path) -> dict[str, str]:
    """An empty root for apt with one repository, which is there; its environment."""
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get on this host")
    root, repository = tmp_path / "root", tmp_path / "repository"
    for directory in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt"):
        (root / directory).mkdir(parents=True)
    (root / "var/lib/dpkg").mkdir()
    (root / "var/lib/dpkg/status").touch()
    repository.mkdir()
    (repository / "Packages").touch()
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
    configuration = tmp_path / "apt.conf"
    status = root / "var/lib/dpkg/status"
    settings = (f'Dir "{root}";', f'Dir::State::status "{status}";', 'APT::Sandbox::User "";', 'Acquire::Retries "0";')
    configuration.write_text("\n".join(settings))
    return {"APT_CONFIG": str(configuration), "SOURCES": str(root / "etc/apt/sources.list")}


def test_a_repository_that_is_there(apt: dict[str, str]) -> None:
    done = update(apt)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_of_two_repositories_that_does_not_answer(apt: dict[str, str]) -> None:
    with open(apt["SOURCES"], "a") as sources:
        sources.write("deb http://127.0.0.1:9/debian sid main\n")
    done = update(apt)
    assert done.returncode == 100
    assert "127.0.0.1:9" in done.stdout
    assert "apt-get update failed" in done.stderr


@pytest.mark.parametrize("transcript", OLD_WARNINGS)
def test_failures_that_older_versions_take_for_warnings(transcript: str, tmp_path: Path) -> None:
    program = tmp_path / "apt-get"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{OLD_WARNINGS[transcript]}END\n")
    program.chmod(0o755)
    done = update({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 100
    assert "archive.example" in done.stdout


@pytest.mark.parametrize(
    ("name", "selected"),
    [
        ("aide-common", ["aide-common"]),
        ("linux-image-6.1.0-4-amd64", ["linux-image-6.1.0-4-amd64"]),
        ("g++", ["g++"]),
        ("aide-common=1", ["aide-common"]),
        ("aide-common:amd64", ["aide-common"]),
        ("integrity", ["aide-common"]),
        ("server^", ["aide-common", "g++"]),
        ("aide.common", []),
        ("linux-image-6.1.0-4", []),
        ("linux.image", []),
        ("aide.common=1", []),
        ("nothing^", []),
    ],
)
def test_a_name_is_that_package_or_a_task_and_never_a_pattern(
    name: str, selected: list[str], apt: dict[str, str], tmp_path: Path
) -> None:
    records = {
        "aide-common": "Task: server\nProvides: integrity\n",
        "g++": "Task: server\n",
        "linux-image-6.1.0-4-amd64": "",
        "linux-image-6.1.0-4-rt-amd64": "",
    }
    (tmp_path / "repository" / "Packages").write_text(
        "\n".join(
            f"Package: {package}\nVersion: 1\nArchitecture: amd64\nFilename: ./{package}.deb\nSize: 1\n"
            f"SHA256: {'0' * 64}\nMaintainer: A <a@example.com>\nDescription: x\n{more}"
            for package, more in records.items()
        )
    )
    assert update(apt).returncode == 0
    command = apt_get("--simulate", "--option APT::Architecture=amd64", "install", "--", f"'{name}'")
    environ = {**os.environ, "LC_ALL": "C.UTF-8", **apt}
    done = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, check=False, timeout=60)
    installed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Inst ")]
    assert sorted(installed) == selected, done.stdout + done.stderr
    assert (done.returncode == 0) == bool(selected)
