# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.connection import connected
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .driver import URI, XML, definition


@pytest.fixture(name="connection")
def fixture_connection() -> Iterator[t.Any]:
    """Two more domains, for one test. The driver's state is that of the process, while anything of it is in use."""
    with connected(URI) as connection:
        first = definition(connection, "test")
        for name in ("db-1", "db-2"):
            connection.defineXML(XML.format(name=name))
        yield connection
        connection.defineXML(first)
        connection.lookupByName("test").pinVcpu(1, (True,) * 8)
        for domain in connection.listAllDomains():
            if domain.name() != "test":
                persistent = domain.isPersistent()
                if domain.isActive():
                    domain.destroy()
                if persistent:
                    domain.undefine()


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path) -> LocalHost:
    return LocalHost(str(tmp_path))
