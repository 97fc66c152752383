# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tuning many domains in one call, against a task loop over community.libvirt.virt and a shell loop over virsh.

All give each of 200 domains that are shut off pins of its own, a cache mode and memory backing, and are checked to have
done so. The peers are as quick as they can honestly be: one edit of the text for all knobs, which counts on none of
them being there, and no look at the host, no backup, no reading back. All run with the same Ansible and Python.
"""

from __future__ import annotations

import json
import os
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree

import libvirt

from tests.integration.hypervisor import Hypervisor
from tests.tools.paths import RUN
from tests.tools.setup import make_virtualenv

from .measure import Comparison, Ran, alternate, run
from .modules import ENVIRON, module

PEERS_VENV = RUN / "venv-peers"
_PYTHON = "/usr/bin/python3"
"""It has the bindings of libvirt and lxml, as on most hosts."""
_DOMAINS = 200
_VCPUS = 4
_SECURE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
_MEMORY = "<memoryBacking><nosharepages/><source type='memfd'/><access mode='shared'/></memoryBacking>"
_CHANGED = "tuning domains that are tuned changed something"
_EDITS = {
    # What dumpxml has, and what is put into its place; PINS is another one for each domain.
    "(<vcpu .*</vcpu>)": rf"{_MEMORY}\1PINS",
    "(<driver name='qemu' type='raw')": r"\1 cache='none'",
}
_SHELL = """
set -eu
scratch="$1"
export LIBVIRT_DEFAULT_URI="$2"
while read -r name pins; do
    virsh dumpxml --inactive --security-info "$name" | sed -E {edits} > "$scratch/new.xml"
    virsh -q define "$scratch/new.xml"
done < "$scratch/pins"
"""


def benchmarks(directory: Path, rounds: int) -> list[Comparison]:
    make_virtualenv(PEERS_VENV, "peers")
    with Hypervisor.running(directory) as hypervisor:
        return _Domains(hypervisor, directory).compare(rounds)


class _Domains:
    """The domains, and what tunes them."""

    def __init__(self, hypervisor: Hypervisor, directory: Path) -> None:
        self._uri, self._connection, self._directory = hypervisor.uri, hypervisor.connection, directory
        cpus = os.cpu_count() or 1
        self._pins = {
            f"bench-{number:03}": [(number + vcpu) % cpus for vcpu in range(_VCPUS)] for number in range(_DOMAINS)
        }
        handles = [hypervisor.define(name, memory=512, vcpus=_VCPUS) for name in self._pins]
        self._untuned = [handle.XMLDesc(_SECURE) for handle in handles]

    def compare(self, rounds: int) -> list[Comparison]:
        wishes = {"uri": self._uri, "backup_dir": str(self._directory / "backups"), "wishes": self._wishes()}
        audit = {"uri": self._uri, "backup_dir": wishes["backup_dir"]}
        tune_task, audit_task = {"goldsmith.kvm.domain_tune": wishes}, {"goldsmith.kvm.domain_tuning_info": audit}

        play, shell, alone, unchanged_alone, unchanged, audits, audits_alone = alternate(
            rounds,
            self._changing(lambda: self._play(tune_task)),
            self._changing(self._shell_loop),
            self._changing(lambda: module("domain_tune", wishes, _PYTHON)[0]),
            lambda: _unchanged(module("domain_tune", wishes, _PYTHON)),
            lambda: self._unchanged_play(tune_task),
            lambda: self._play(audit_task),
            lambda: module("domain_tuning_info", audit, _PYTHON)[0],
        )
        (loop,) = alternate(1, self._changing(self._task_loop))
        what = f"tune {_DOMAINS} domains"
        memory = [ran.peak_mib for ran in alone]
        return [
            Comparison(f"{what}, a whole play", _s(play), _s(loop), "a task loop, once", bound=1 / 20),
            Comparison(f"{what}, a whole play", _s(play), _s(shell), "a shell loop over virsh", bound=1 / 2),
            Comparison(f"{what}, the module", _s(alone), _s(shell), "a shell loop over virsh"),
            # Half of a whole play is Ansible's own start, which is there whether or not anything changes.
            Comparison(f"{what}, the module, unchanged", _s(unchanged_alone), _s(alone), "changing", bound=1 / 2),
            Comparison(f"{what}, a whole play, unchanged", _s(unchanged), _s(play), "changing"),
            Comparison(f"{what}, peak memory of the module", memory, unit="MiB"),
            Comparison(f"audit {_DOMAINS} domains, a whole play", _s(audits)),
            Comparison(f"audit {_DOMAINS} domains, the module", _s(audits_alone)),
        ]

    def _wishes(self) -> list[dict[str, t.Any]]:
        backing = {"nosharepages": True, "source": "memfd", "access": "shared"}
        own = [
            {
                "domains": [name],
                "cputune": {"vcpupin": [{"vcpu": str(vcpu), "cpuset": str(cpu)} for vcpu, cpu in enumerate(pins)]},
            }
            for name, pins in self._pins.items()
        ]
        every = {
            "domains": ["bench-*"],
            "memory_backing": backing,
            "disks": [{"match": {"all": True}, "cache": "none"}],
        }
        return [every, *own]

    def _changing(self, work: Callable[[], Ran]) -> Callable[[], Ran]:
        """The work on domains that are not tuned, which has to tune them."""

        def timed() -> Ran:
            for xml in self._untuned:
                self._connection.defineXML(xml)
            done = work()
            self._check()
            return done

        return timed

    def _check(self) -> None:
        for name, pins in self._pins.items():
            domain = ElementTree.fromstring(self._connection.lookupByName(name).XMLDesc(_SECURE))
            found = {pin.get("vcpu"): pin.get("cpuset") for pin in domain.iterfind("cputune/vcpupin")}
            caches = {driver.get("cache") for driver in domain.iterfind("devices/disk/driver")}
            backing = {element.tag for element in domain.iterfind("memoryBacking/*")}
            wanted = {str(vcpu): str(cpu) for vcpu, cpu in enumerate(pins)}
            if (found, caches, backing) != (wanted, {"none"}, {"nosharepages", "source", "access"}):
                raise SystemExit(f"{name} was not tuned: {found} {caches} {backing}")

    def _play(self, *tasks: Mapping[str, t.Any]) -> Ran:
        playbook = self._directory / "play.json"
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            # Ansible would take its own for localhost.
            "vars": {"ansible_python_interpreter": _PYTHON},
            "tasks": tasks,
        }
        playbook.write_text(json.dumps([play]))
        return run([str(PEERS_VENV / "bin" / "ansible-playbook"), str(playbook)], environ=ENVIRON)

    def _unchanged_play(self, *tasks: Mapping[str, t.Any]) -> Ran:
        ran = self._play(*tasks)
        if "changed=0" not in ran.stdout:
            raise SystemExit(f"{_CHANGED}: {ran.stdout[-500:]}")
        return ran

    def _task_loop(self) -> Ran:
        """Two tasks, each with a loop: one reads the definitions, one edits them and defines the domains anew."""
        xml = "item.get_xml"
        for pattern, replacement in _EDITS.items():
            text = replacement.replace("PINS", '" ~ pins[item.item] ~ "')
            xml += f' | regex_replace("{pattern}", "{text}")'
        virt, names = "community.libvirt.virt", list(self._pins)
        return self._play(
            {virt: {"uri": self._uri, "command": "get_xml", "name": "{{ item }}"}, "loop": names, "register": "read"},
            {
                virt: {"uri": self._uri, "command": "define", "xml": f"{{{{ {xml} }}}}"},
                "loop": "{{ read.results }}",
                "loop_control": {"label": "{{ item.item }}"},
                "vars": {"pins": {name: self._pin_xml(name) for name in names}},
            },
        )

    def _shell_loop(self) -> Ran:
        """Two calls of virsh for each domain, with one sed between them."""
        (self._directory / "pins").write_text("".join(f"{name} {self._pin_xml(name)}\n" for name in self._pins))
        edits = " ".join(
            f'-e "s|{pattern}|{replacement}|"'.replace("PINS", "$pins") for pattern, replacement in _EDITS.items()
        )
        return run(["sh", "-c", _SHELL.format(edits=edits), "sh", str(self._directory), self._uri])

    def _pin_xml(self, name: str) -> str:
        pins = "".join(f"<vcpupin vcpu='{vcpu}' cpuset='{cpu}'/>" for vcpu, cpu in enumerate(self._pins[name]))
        return f"<cputune>{pins}</cputune>"


def _unchanged(done: tuple[Ran, dict[str, t.Any]]) -> Ran:
    ran, result = done
    if result["changed"]:
        raise SystemExit(_CHANGED)
    return ran


def _s(series: list[Ran]) -> list[float]:
    return [ran.seconds for ran in series]
