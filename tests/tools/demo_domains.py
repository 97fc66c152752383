# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's guests: on its golden image and a libvirtd of its own, tuned and audited by the collection's playbook."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping
from pathlib import Path

from tests.fixtures.hypervisor import Hypervisor, alone
from tests.fixtures.programs import run

from .demo_play import DemoError, Played, play

DB, WEB = "db-1", "web-1"
_XML = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='null'/>
  </devices>
</domain>
"""
_PINS, _PROFILE = "cputune.", ("balloon.model", "disks.vda.cache", "memory_backing.nosharepages")


def show(image: Path, scratch: Path, kept: Path) -> None:
    """Define guests on a published image, tune them, and audit them before and after. Raises DemoError.

    :arg scratch: for the guests' disks and for libvirtd; a short path.
    :arg kept: where the playbook's output goes.
    """
    with alone(), Hypervisor.running(scratch) as hypervisor:
        guests = [_guest(hypervisor, name, image, scratch) for name in (DB, WEB)]
        print(f"\ndemo: {DB} and {WEB} run on {image.name}, at {hypervisor.uri}", flush=True)
        variables = {
            "domain_tuning_uri": hypervisor.uri,
            "domain_tuning_backup_dir": str(scratch / "backups"),
            "domain_tuning_install_packages": False,
            "domain_tuning_audit_knobs": "wished",
            **_wishes(sorted(os.sched_getaffinity(0))),
        }

        def played(name: str, allowed: list[str], *options: str) -> Played:
            given = {**variables, "domain_tuning_drift_allowed": allowed}
            return play("domain_tuning", given, kept, name, *options)

        print("\ndemo: the audit before: nothing is as it is wished", flush=True)
        _expect(played("audit", ["not_as_wished"], "--tags", "domain_tuning_audit"), "not_as_wished", "not_as_wished")
        print("\ndemo: tuning them: pins move at once, the rest waits for a restart", flush=True)
        _expect(played("tuning", ["pending_restart"]), None, "pending_restart")
        # Emulated, they need a minute until they heed the power button, which is what `restart: if_needed` presses.
        print("\ndemo: turning both off and on: still booting, they would not heed the power button", flush=True)
        for guest in guests:
            guest.destroy()
            guest.create()
        print("\ndemo: the second run: nothing has to change, and all is as it is wished", flush=True)
        again = played("tuned", [])
        _expect(again, None, None)
        if again.changed:
            raise DemoError("the second run has changed something")


def _guest(hypervisor: Hypervisor, name: str, image: Path, scratch: Path) -> t.Any:
    """A domain that runs on an overlay of its own."""
    disk = scratch / f"{name}.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", disk])
    domain = hypervisor.connection.defineXML(_XML.format(name=name, disk=disk))
    domain.create()
    return domain


def _wishes(cpus: list[int]) -> dict[str, t.Any]:
    """For all, for one group, and for the host: as an inventory has them."""
    first, last = str(cpus[0]), str(cpus[-1])
    one_to_one = [{"vcpu": "0", "cpuset": first}, {"vcpu": "1", "cpuset": last}]
    return {
        "domain_tuning_wishes": [{"domains": ["*"], "profile": "database"}],
        "domain_tuning_wishes_databases": [
            {"domains": [DB], "cputune": {"vcpupin": one_to_one, "emulatorpin": first}},
        ],
        "domain_tuning_wishes_host": [
            {"domains": [WEB], "cputune": {"vcpupin": [{"vcpu": "all", "cpuset": last}]}},
        ],
    }


def _expect(played: Played, pins: str | None, profile: str | None) -> None:
    found = unexpected(played.results["goldsmith.kvm.domain_tuning : Look at the domains"]["domains"], pins, profile)
    if found:
        raise DemoError(f"the audit shows what it should not: {'; '.join(found)}")


def unexpected(domains: Mapping[str, t.Any], pins: str | None, profile: str | None) -> list[str]:
    """What an audit shows beside what is expected of it.

    :arg pins: the name of the drift that all pins have. None where the kernel has to do what is wished.
    :arg profile: the same of the knobs of the profile.
    """
    found = [f"{name} is not there" for name in (DB, WEB) if name not in domains]
    for name, domain in domains.items():
        rows = {row["knob"]: row for row in domain["knobs"] if row["wished"] is not None or row["drift"]}
        found += [f"{name}: {knob} is not there" for knob in ("cputune.vcpupin.1", *_PROFILE) if knob not in rows]
        for knob, row in rows.items():
            awaited = pins if knob.startswith(_PINS) else profile
            if [drift["name"] for drift in row["drift"]] != ([awaited] if awaited else []):
                found.append(f"{name}: {knob}: {row['drift']}")
            elif awaited is None and row["kernel"] != row["wished"]:
                found.append(f"{name}: {knob}: wished {row['wished']}, and the kernel has {row['kernel']}")
    return found
