# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains of libvirt's own test driver."""

from __future__ import annotations

import typing as t

from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import libvirt
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import audited

URI = "test:///default"
XML = """<domain type='test'><name>{name}</name><metadata><o:n xmlns:o="urn:o" k="1">t</o:n></metadata>
<memory unit='KiB'>65536</memory><vcpu>2</vcpu><iothreads>1</iothreads><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><source file='/{name}.raw'/><target dev='vda' bus='virtio'/></disk>
<graphics type='vnc' port='5901' passwd='s3cret'/>
<memballoon model='virtio'/></devices></domain>"""


def audit(host: LocalHost, **options: t.Any) -> dict[str, t.Any]:
    return audited(host, URI, **options)


def definition(connection: t.Any, name: str) -> str:
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    return str(connection.lookupByName(name).XMLDesc(flags))
