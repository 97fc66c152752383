# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what the role reported of this machine is so."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import testinfra
import testinfra.host

WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "goldsmith"

Host = testinfra.host.Host


@pytest.fixture(scope="module")
def report() -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((WORK / "report.json").read_text()))


@pytest.fixture(scope="module")
def machine() -> Host:
    return testinfra.get_host("local://")


def test_it_is_ready(report: dict[str, t.Any]) -> None:
    assert report["ready"]
    assert report["problems"] == []


def test_tools_are_installed(machine: Host, report: dict[str, t.Any]) -> None:
    for package in ("gpgv", "guestfs-tools", "qemu-utils", "xorriso", "xz-utils", "zstd"):
        assert machine.package(package).is_installed
    for tool, version in report["tools"].items():
        option = "-V" if tool in ("debugfs", "ssh") else "--version"
        assert version in machine.check_output(f"{tool} {option} 2>&1")


def test_the_kernel_has_its_modules(machine: Host, report: dict[str, t.Any]) -> None:
    assert machine.file(report["kernel"]["path"]).is_file
    assert machine.file(f"{report['kernel']['modules']}/modules.dep").is_file


def test_the_accelerator(machine: Host, report: dict[str, t.Any]) -> None:
    if report["accel"] == "kvm":
        assert machine.file("/dev/kvm").exists
    else:
        assert report["accel_reason"].startswith("/dev/kvm is ")


def test_the_network(machine: Host, report: dict[str, t.Any]) -> None:
    assert report["network"]["backend"] == "slirp"
    assert all(machine.exists(client) for client in report["network"]["dhcp_clients"])


def test_directories(machine: Host, report: dict[str, t.Any]) -> None:
    found = {each["purpose"]: each for each in report["directories"]}
    assert found["store"]["path"] == str(WORK / "store")
    assert found["destination"]["path"] == str(WORK / "golden")
    for each in found.values():
        assert each["exists"] and each["writable"]
        assert machine.file(each["path"]).is_directory
        assert machine.file(each["path"]).user == report["user"] == "root"
