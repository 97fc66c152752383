# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URIs, and what is at the other end of them."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt import connection
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import libvirt
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.connection import connected, is_local

from .driver import URI

pytestmark = pytest.mark.skipif(libvirt is None, reason="python3-libvirt is not installed")


@pytest.mark.parametrize(
    ("uri", "told", "way_out"),
    [
        ("", "which is none of QEMU's", "qemu:///system"),
        ("http://kvm1/", "'http://kvm1/', which is none of QEMU's", "qemu:///system"),
        ("lxc:///system", "to whose guests these settings belong", "qemu:///system"),
        ("xen+ssh://kvm1/", "which is none of QEMU's", "qemu:///system"),
        ("qemu+nonsense:///system", "is no URI that libvirt knows here", "qemu:///system"),
        ("kvm1", "is no URI that libvirt knows here", "qemu:///system"),
        ("qemu+unix:///system?socket=/nowhere/libvirt-sock", "libvirt's daemon does not run at", "systemctl start"),
        ("qemu+tcp://127.0.0.1:1/system", "libvirt's daemon does not run at", "systemctl start"),
        (
            "qemu+tls://127.0.0.1:1/system?pkipath=/nowhere",
            "cannot be reached at .*/nowhere",
            r"qemu\+ssh://HOST/system",
        ),
        ("qemu+ssh://nohost.invalid/system", "cannot be reached at .*nohost.invalid", "virsh --connect"),
    ],
)
def test_a_connection_that_cannot_be_made(uri: str, told: str, way_out: str) -> None:
    with pytest.raises(GoldsmithError, match=f"{told}.*{way_out}"), connected(uri):
        pass


def test_a_daemon_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that hangs, or a network that swallows what is sent."""
    monkeypatch.setattr(connection, "PATIENCE", 1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/sock")
        listener.listen()
        began = time.monotonic()
        uri = f"qemu+unix:///system?socket={tmp_path}/sock"
        with pytest.raises(GoldsmithError, match=r"does not answer at .* within 1 seconds"), connected(uri):
            pass
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("qemu:///system", True),
        ("qemu+unix:///session?socket=/x", True),
        ("qemu+ssh://root@kvm1/system", False),
        ("qemu+tls://kvm1/system", False),
        (URI, False),
    ],
)
def test_which_hosts_are_this_one(uri: str, local: bool) -> None:
    assert is_local(uri) == local
