# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role domain_tuning as an inventory uses it: group_vars, host_vars, check mode, tags, refusals, without root."""

from __future__ import annotations

import re
import shutil
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import libvirt
import pytest
import yaml

from .examples import ROOT, blocks
from .hypervisor import Hypervisor
from .plays import NOBODY, Played, run_playbook, run_plays
from .spare_host import spare_host

ROLE = ROOT / "roles" / "domain_tuning"
GUIDE = ROOT / "docs" / "domains.md"
PLAYBOOK = "goldsmith.kvm.domain_tuning"
PREFIX = "goldsmith.kvm.domain_tuning : "
TUNE, LOOK = f"{PREFIX}Tune the domains", f"{PREFIX}Look at the domains"
CACHE = [{"domains": ["db-*"], "disks": [{"match": {"target": "vda"}, "cache": "none"}]}]
HOST = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}


@pytest.fixture(name="directory")
def fixture_directory() -> Iterator[Path]:
    """One that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="tuning-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


class Inventory:
    """A directory of an inventory: the host hv-1 in the group databases, which is in the group hypervisors."""

    def __init__(self, directory: Path, uri: str) -> None:
        self.directory = directory / "inventory"
        self.backups = directory / "backups"
        groups = {"hypervisors": {"children": {"databases": {"hosts": {"hv-1": HOST}}}}}
        self.write("hosts.yml", {"all": {"children": groups}})
        self.write("group_vars/all.yml", {"domain_tuning_uri": uri, "domain_tuning_backup_dir": str(self.backups)})

    def write(self, name: str, content: dict[str, t.Any]) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))

    def host(self, **variables: t.Any) -> None:
        self.write("host_vars/hv-1.yml", {f"domain_tuning_{name}": value for name, value in variables.items()})

    def play(self, *options: str) -> Played:
        hosts = ("-e", "domain_tuning_hosts=hypervisors")
        return run_playbook(PLAYBOOK, "-i", str(self.directory), *hosts, *options)

    def refused(self, *options: str) -> str:
        """What the playbook says that fails, in one line."""
        with pytest.raises(AssertionError) as caught:
            self.play(*options)
        return _one_line(str(caught.value))


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace('\\"', '"'))


@pytest.fixture(name="inventory")
def fixture_inventory(kvm: Hypervisor, directory: Path) -> Inventory:
    return Inventory(directory, kvm.uri)


@pytest.fixture(name="pretended")
def fixture_pretended(directory: Path) -> Inventory:
    """At libvirt's own test driver, whose domain is called test."""
    return Inventory(directory, "test:///default")


def definition(domain: t.Any) -> str:
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))


def disk(domain: t.Any) -> dict[str, str]:
    (driver,) = ElementTree.fromstring(definition(domain)).iterfind("devices/disk/driver")
    return {name: value for name, value in driver.attrib.items() if name not in ("name", "type")}


def drivers(*domains: str, **options: str) -> dict[str, t.Any]:
    return {"domains": list(domains), "disks": [{"match": {"target": "vda"}, **options}]}


def test_defaults_and_options_agree() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert {name: spec["default"] for name, spec in specs.items()} == defaults


def test_wishes_of_groups_and_the_host_are_put_together(kvm: Hypervisor, inventory: Inventory) -> None:
    """By the names of the variables, not by how near the group is; the host's own win."""
    domains = {name: kvm.define(name) for name in ("db-1", "db-2", "web-1")}
    inventory.write(
        "group_vars/hypervisors.yml",
        {
            "domain_tuning_wishes": [
                {"domains": ["*"], "profile": "throughput"},
                drivers("*", cache="directsync", discard="unmap"),
            ],
            "domain_tuning_wishes_b": [drivers("db-*", cache="none")],
        },
    )
    nearer = [drivers("db-*", cache="writethrough", error_policy="report")]
    inventory.write("group_vars/databases.yml", {"domain_tuning_wishes_a": nearer})
    inventory.host(wishes_host=[drivers("db-{{ inventory_hostname[-1] }}", cache="writeback")])
    played = inventory.play()
    assert played.changed == [TUNE]
    common = {"discard": "unmap", "detect_zeroes": "off"}
    assert {name: disk(domain) for name, domain in domains.items()} == {
        "db-1": {"cache": "writeback", "error_policy": "report", **common},
        "db-2": {"cache": "none", "error_policy": "report", **common},
        "web-1": {"cache": "directsync", **common},
    }
    assert all("<nosharepages/>" in definition(domain) for domain in domains.values())
    assert inventory.play().changed == []


def test_the_inventory_of_the_guide(kvm: Hypervisor, inventory: Inventory) -> None:
    domains = {name: kvm.define(name) for name in ("db-1", "db-2", "web-1")}
    files = blocks(GUIDE, "yml")
    assert len(files) == 2
    for text in files:
        inventory.write(text.split()[1], yaml.safe_load(text))
    assert inventory.play().changed == [TUNE]
    assert {name: disk(domain)["cache"] for name, domain in domains.items()} == {
        "db-1": "writeback",
        "db-2": "none",
        "web-1": "none",
    }
    assert ["<emulatorpin" in definition(domain) for domain in domains.values()] == [True, True, False]


def test_every_tag_and_variable_of_the_guide_is_there() -> None:
    named = set(re.findall(r"\b(domain_tuning_\w+)\b", GUIDE.read_text()))
    tasks = (ROLE / "tasks" / "main.yml").read_text()
    tags = {tag for listed in re.findall(r"tags: \[(.*)\]", tasks) for tag in listed.split(", ")}
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    others = {"domain_tuning_info", "domain_tuning_hosts", "domain_tuning_report"}
    lists = {"domain_tuning_wishes_", "domain_tuning_wishes_NAME", "domain_tuning_wishes_databases"}
    assert named <= tags | set(defaults) | others | lists


def test_check_mode_tells_what_the_run_does_and_does_nothing(kvm: Hypervisor, inventory: Inventory) -> None:
    runs, rests = kvm.define("db-1"), kvm.define("db-2")
    runs.create()
    inventory.host(wishes=[{"domains": ["db-*"], "profile": "database", "cputune": {"emulatorpin": "0"}}])
    before = [definition(domain) for domain in (runs, rests)]
    planned = inventory.play("--check", "--diff")
    assert planned.changed == [TUNE]
    assert [definition(domain) for domain in (runs, rests)] == before
    assert not inventory.backups.exists()
    assert re.search(
        r'^-\s+"cputune.emulatorpin": "unpinned",?\n(.*\n)*^\+\s+"disks.vda.cache": "none"', planned.output, re.M
    )
    done = inventory.play()
    statuses = [
        {name: [(knob["knob"], knob["status"]) for knob in domain["knobs"]] for name, domain in result.items()}
        for result in (planned.of(TUNE)["domains"], done.of(TUNE)["domains"])
    ]
    assert statuses[0] == statuses[1]
    assert disk(runs) == disk(rests) == {"cache": "none"}
    for options in ((), ("--check",)):
        assert inventory.play(*options).changed == []
    # What only waits for a restart is told, once with its reason, and is no failure.
    reason = (
        "  memory_backing.nosharepages: pending_restart: the domain gets true when it is shut off and started again"
    )
    assert done.output.count(reason) == 1
    assert '"db-2 (shutoff): all agrees"' in done.output


def test_single_tags(kvm: Hypervisor, inventory: Inventory) -> None:
    domain = kvm.define("db-1")
    inventory.host(wishes=CACHE)
    assert "db-1: disks.vda.cache (not_as_wished)." in inventory.refused("--tags", "domain_tuning_audit")
    assert disk(domain) == {}
    tuned = inventory.play("--tags", "domain_tuning_tune")
    assert tuned.changed == [TUNE] and LOOK not in tuned.tasks
    assert disk(domain) == {"cache": "none"}
    audited = inventory.play("--tags", "domain_tuning_audit")
    assert audited.changed == [] and LOOK in audited.tasks and TUNE not in audited.tasks


def test_every_drift_that_the_guide_names_can_be_allowed() -> None:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    guide = GUIDE.read_text().partition("| name | means |")[2]
    names = re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)
    assert sorted(specs["domain_tuning_drift_allowed"]["choices"]) == sorted(names)


def test_drift_that_is_not_allowed(kvm: Hypervisor, inventory: Inventory) -> None:
    domain = kvm.define("db-1")
    kvm.define("db-2")
    inventory.host(wishes=CACHE)
    inventory.play()
    kvm.connection.defineXML(definition(domain).replace("cache='none'", "cache='unsafe'"))
    said = inventory.refused("--tags", "domain_tuning_audit")
    assert "Domains are not as they should be: db-1: disks.vda.cache (not_as_wished, changed_by_hand)." in said
    assert "domain_tuning_drift_allowed the names that are no failure" in said
    inventory.host(wishes=CACHE, drift_allowed=["not_as_wished", "changed_by_hand", "hurts"])
    inventory.play("--tags", "domain_tuning_audit")
    # As -e has it.
    inventory.play(
        "--tags", "domain_tuning_audit", "-e", "domain_tuning_drift_allowed=not_as_wished,changed_by_hand,hurts"
    )
    inventory.host(wishes=CACHE)
    assert inventory.play().changed == [TUNE]
    assert disk(domain) == {"cache": "none"}


def test_what_is_refused_and_what_is_left_out(kvm: Hypervisor, inventory: Inventory) -> None:
    domain = kvm.define("db-1")
    wishes = [*CACHE, {"domains": ["db-1"], "cputune": {"vcpupin": [{"vcpu": "7", "cpuset": "0"}]}}]
    inventory.host(wishes=wishes)
    assert "db-1: cputune.vcpupin.7 = 0 is refused" in inventory.refused()
    assert disk(domain) == {}
    inventory.host(wishes=wishes, on_refused="warn")
    assert inventory.play().changed == [TUNE]
    assert disk(domain) == {"cache": "none"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"wishes_web": [CACHE[0], {"domains": ["*"], "profile": "fast"}]},
            "domain_tuning_wishes_web[1]: value of prof",
        ),
        ({"wishes_web": {"domains": ["*"]}}, "domain_tuning_wishes_web is not a list. Write each wish as an entry"),
        (
            {"wishes_host": [{"domains": ["*"], "cputun": {}}]},
            "domain_tuning_wishes_host[0]: there is no wishes.cputun",
        ),
        ({"wishes": "db-1"}, "domain_tuning_wishes"),
        ({"restart": "always"}, "value of domain_tuning_restart must be one of: never, if_needed, got: always"),
        ({"restart_timeout": "soon"}, "argument 'domain_tuning_restart_timeout' is of type"),
        ({"drift_allowed": ["everything"]}, "value of domain_tuning_drift_allowed must be one or more of: affinity_r"),
        ({"wishes": [{"domains": ["db-7"], "profile": "density"}]}, "db-7"),
        ({"wishes": CACHE, "uri": "xen:///system"}, "uri is 'xen:///system', which is none of QEMU's"),
    ],
)
def test_wrong_variables_are_named(pretended: Inventory, variables: dict[str, t.Any], said: str) -> None:
    pretended.host(**variables)
    assert said in pretended.refused()
    assert not list(pretended.directory.parent.glob("backups/*/*"))


def test_nothing_is_wished(pretended: Inventory) -> None:
    """Then nobody even asks libvirt."""
    pretended.host(uri="qemu:///nowhere", wishes_web=[])
    played = pretended.play()
    assert played.changed == []
    assert played.of(TUNE)["skipped"] and played.of(LOOK)["skipped"]
    lists = "domain_tuning_wishes, domain_tuning_wishes_web, domain_tuning_wishes_host"
    assert f"Nothing is wished of the domains of hv-1: {lists} are empty." in played.output


def role(**variables: t.Any) -> dict[str, t.Any]:
    given = {f"domain_tuning_{name}": value for name, value in variables.items()}
    return {"ansible.builtin.include_role": {"name": "goldsmith.kvm.domain_tuning"}, "vars": given}


def play(*tasks: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"hosts": "localhost", "gather_facts": False, "vars": HOST, "tasks": list(tasks), **more}


def refused(*plays: dict[str, t.Any], options: tuple[str, ...] = (), **more: t.Any) -> str:
    with pytest.raises(AssertionError) as caught:
        run_plays(plays, *options, **more)
    return _one_line(str(caught.value))


@pytest.fixture(name="own")
def fixture_own(directory: Path) -> Path:
    """One that belongs to the user nobody."""
    own = directory / "own"
    own.mkdir()
    shutil.chown(own, "nobody")
    return own


def test_as_a_user_without_rights(own: Path) -> None:
    wishes = [{"domains": ["test"], "memory_backing": {"nosharepages": True}}]
    # The test driver forgets what it was told.
    given = {"uri": "test:///default", "wishes": wishes, "drift_allowed": ["not_as_wished", "changed_by_hand"]}
    assert "goldsmith/domains cannot be written" in refused(
        play(role(**given, backup_dir="/root/goldsmith/domains"), **NOBODY)
    )
    played = run_plays([play(role(**given, backup_dir=str(own)), **NOBODY)])
    assert played.changed == [TUNE]
    assert {path.owner() for path in own.rglob("*")} == {"nobody"}


def test_a_user_whom_libvirt_does_not_let_in(kvm: Hypervisor, own: Path) -> None:
    kvm.directory.chmod(0o755)
    said = refused(play(role(uri=kvm.uri, wishes=CACHE, backup_dir=str(own)), **NOBODY))
    assert f"may not use libvirt at {kvm.uri}" in said
    assert "Use become: true, or put the user into the group libvirt" in said


def test_beside_other_tasks_for_the_same_domains(kvm: Hypervisor, directory: Path) -> None:
    """One play defines a domain, tunes it and starts it: it runs with what was wished at once."""
    (directory / "db-1.xml").write_text(kvm.xml("db-1"))
    define, start = (
        {"name": name, "ansible.builtin.command": {"argv": ["virsh", "--connect", kvm.uri, name, what]}}
        for name, what in (("define", str(directory / "db-1.xml")), ("start", "db-1"))
    )
    given = role(uri=kvm.uri, wishes=CACHE, backup_dir=str(directory / "backups"), drift_allowed=[])
    again = {**role(), "vars": given["vars"]}
    played = run_plays([play(define, given, start, again, serial=1)])
    assert played.changed == ["define", TUNE, "start"]
    (row,) = (row for row in played.of(LOOK)["domains"]["db-1"]["knobs"] if row["knob"] == "disks.vda.cache")
    assert (row["live"], row["kernel"], row["drift"]) == ("none", "none", [])


def test_for_another_host_by_delegation(kvm: Hypervisor, inventory: Inventory) -> None:
    """A host without wishes of its own, such as a guest, lets its hypervisor tune."""
    domain = kvm.define("db-1")
    include = {"name": "goldsmith.kvm.domain_tuning", "apply": {"delegate_to": "hv-1"}}
    given = {"domain_tuning_wishes": CACHE, "domain_tuning_backup_dir": str(inventory.backups)}
    task = {"ansible.builtin.include_role": include, "vars": {**given, "domain_tuning_uri": kvm.uri}}
    plays = [{"hosts": "guest", "gather_facts": False, "tasks": [task]}]
    played = run_plays(plays, "-i", str(inventory.directory), "-i", "guest,")
    assert (played.changed, disk(domain)) == ([TUNE], {"cache": "none"})


WITHOUT_LIBRARIES = "rm -f usr/lib/python3/dist-packages/libvirt.py"


def test_libraries_that_are_missing(directory: Path) -> None:
    spare = spare_host(directory, WITHOUT_LIBRARIES)
    given = {"uri": "test:///default", "wishes": CACHE, "allow_empty": True, "backup_dir": str(directory / "own")}
    said = refused(play(role(**given), **NOBODY), ansible_playbook=spare)
    assert "python3-libvirt, python3-lxml: not installed, and only root may install packages. Use become" in said
    planned = run_plays([play(role(**given))], "--check", ansible_playbook=spare)
    assert planned.changed == [f"{PREFIX}Say what would be installed"]
    assert "Would install: python3-libvirt, python3-lxml." in planned.output
    said = refused(play(role(**given, install_packages=False)), ansible_playbook=spare)
    assert "cannot import libvirt, and the system's Python has not all that is needed either" in said
