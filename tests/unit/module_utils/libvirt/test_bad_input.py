# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody should ask for: it is refused with cause and way out, and nothing at all is written."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.document import Document
from ansible_collections.goldsmith.kvm.plugins.module_utils.domain.registry import wish_spec
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_tune import tune_argument_spec, tune_domains
from ansible_collections.goldsmith.kvm.plugins.module_utils.libvirt.bindings import libvirt
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from ansible_collections.goldsmith.kvm.tests.unit.tuning import checked, tuned

from .driver import URI, XML, definition

pytestmark = pytest.mark.skipif(libvirt is None, reason="python3-libvirt is not installed")

NO_BALLOON = "balloon: {model: none}"
BAD = [
    ("db-3", NO_BALLOON, "there is no domain 'db-3'; this hypervisor has: db-1, db-2, test", "virsh list --all"),
    ("web-*", NO_BALLOON, r"no domain fits the pattern 'web-\*'", "allow_empty: true"),
    ("db-1</name><vcpu>9</vcpu>", NO_BALLOON, "there is no domain 'db-1</name><vcpu>9</vcpu>'", "virsh list --all"),
    ("", NO_BALLOON, "there is no domain ''", "virsh list --all"),
    ("db-1", "cputune: {emulatorpin: 3-1}", r"wishes\[1\]\.cputune\.emulatorpin is '3-1', .* backwards", "Write 1-3"),
    ("db-1", "cputune: {emulatorpin: 0-999}", r"no CPU 1,3,5-999, or it is offline: online are 0,2,4", "Correct them"),
    ("db-1", "cputune: {vcpupin: [{vcpu: '0', cpuset: 0-99999}]}", "up to 16383 only", "Name CPUs of the host"),
    ("db-1", "cputune: {vcpupin: [{vcpu: '-1', cpuset: '0'}]}", r"\[0\]\.vcpu is '-1'", "Write numbers and ranges"),
    ("db-1", "cputune: {vcpupin: [{vcpu: '7', cpuset: '0'}]}", "there is no vCPU 7: the domain has 2", "Correct them"),
    (
        "db-1",
        "cputune: {vcpupin: [{vcpu: '0', cpuset: '0'}, {vcpu: all, cpuset: '2'}]}",
        "names vCPU 0 twice",
        "Name each once",
    ),
    ("db-1", "cputune: {vcpupin_each: 0-2}", "names 3 CPUs, and db-1 has 2 vCPUs", "one CPU for each vCPU"),
    ("db-1", "memory_backing: {hard_limit: -1G}", "hard_limit is '-1G', which is not a size", "such as 10G"),
    ("db-1", "memory_backing: {hard_limit: 99999999999G}", "which no host has", "such as 4G"),
    ("db-1", "memory_backing: {hard_limit: 1M}", "1 MiB is less than the guest's memory of 64 MiB", "hard_limit: auto"),
    ("db-1", "memory_backing: {hugepages: {size: 8E}}", "which no host has|has no pages of 8 EiB", "4G|Correct them"),
    ("db-1", "numa: {cells: [{cpus: '0', memory: '-5'}]}", r"cells\[0\]\.memory is '-5'", "such as 10G"),
    ("db-1", "iothreads: -1", "iothreads is -1", "whole number from 0 to 1024"),
    (
        "db-1",
        "disks: [{match: {target: vda}, cache: none}, {match: {target: vda}, cache: unsafe}]",
        r"disks\[1\]\.match is {'target': 'vda'}, as that of an entry before it",
        "one entry for each match",
    ),
    ("db-1", "disks: [{match: {target: vdz}, cache: none}]", "there is no disk vdz: the domain has v", "Correct them"),
    ("db-1", "disks: [{match: {target: '<x/>'}, cache: none}]", "there is no disk <x/>", "Correct them"),
    ("db-1", "disks: [{match: {alias: 'ua-\"/><x/>'}, cache: none}]", "none of the disks of db-1", "allow_empty"),
    ("db-1", 'disks: [{match: {source: "/a\\n/b"}, cache: none}]', "none of the disks of db-1", "allow_empty"),
    ("db-1", "interfaces: [{match: {mac: \"'><x/>\"}, queues: '1'}]", "there is no interface '><x/>", "Correct them"),
    ("db-1", "cpu: {mode: custom, model: qemu64</model><x/>}", "which is no name", "virsh cpu-models"),
    ("db-1", 'cpu: {features: [{name: "pcid\'/>", policy: require}]}', "which is no name", "virsh cpu-models"),
]


@pytest.mark.parametrize(("selector", "tuning", "told", "way_out"), BAD, ids=[f"{bad[0]} {bad[1]}" for bad in BAD])
def test_nothing_is_written(
    connection: t.Any, host: LocalHost, selector: str, tuning: str, told: str, way_out: str
) -> None:
    before = [definition(connection, name) for name in ("db-1", "db-2", "test")]
    # What goes with it, and is well asked, is not written either.
    wishes = [{"domains": ["db-2"], "memory_backing": {"nosharepages": True}}]
    asked = [*wishes, {"domains": [selector], **yaml.safe_load(tuning)}]
    for check in (True, False):
        with pytest.raises(GoldsmithError, match=f"{told}(?s:.*)({way_out})"):
            tuned(host, URI, [], "{}", check=check, wishes=asked)
    assert [definition(connection, name) for name in ("db-1", "db-2", "test")] == before
    assert [path.name for path in Path(host.tmpdir, "backups").iterdir()] == ["lock"]


@pytest.mark.parametrize("kind", ["lxc", "xen"])
def test_a_guest_of_another_hypervisor(
    connection: t.Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    describe = libvirt.virDomain.XMLDesc
    before = definition(connection, "db-1")
    with monkeypatch.context() as patched:
        patched.setattr(
            libvirt.virDomain,
            "XMLDesc",
            lambda self, flags=0: describe(self, flags).replace("type='test'", f"type='{kind}'"),
        )
        with pytest.raises(GoldsmithError, match=f"db-1 is of the type {kind}, and these .*Leave it out of domains"):
            tuned(host, URI, ["db-1"], NO_BALLOON)
    assert definition(connection, "db-1") == before


@pytest.mark.parametrize("name", ["a<b>&c", "a\"b'c", "a b", "ü", "&lt;", "]]>"])
def test_a_domain_with_a_name_that_is_no_text_of_xml(connection: t.Any, host: LocalHost, name: str) -> None:
    connection.defineXML(XML.format(name=escape(name)).replace(f"/{escape(name)}.raw", "/x.raw"))
    for selector, model in ((name, "none"), (f"{name[0]}*", "virtio")):
        result = tuned(host, URI, [selector], f"balloon: {{model: {model}}}")["domains"][name]
        assert result["changed"]
        assert Document.parse(definition(connection, name)).name() == name
        assert Document.parse(Path(result["backup"]).read_text()).name() == name


NASTY = st.one_of(
    st.sampled_from(
        [
            *('"/><injected/>', "'/><injected a='", "</model><injected/>", "<injected/>", "&injected;"),
            *("<![CDATA[", "]]><injected/>", "<!--", "0\n", "0' injected='1", '0" injected="1', "1 injected=1"),
            *("0", "1G", "all", "vda", "none", "default", "unpinned", "qemu64", "x2apic", "virtio"),
        ]
    ),
    st.text(alphabet="<>&\"'/=;\n\t\0\x1b 01aG-,^#*", max_size=12),
)
# What an option needs beside it.
BESIDE: dict[str, t.Any] = {
    **dict.fromkeys(("vcpu", "vcpus", "cpuset", "cpus"), "0"),
    "iothread": "1",
    "memory": "64M",
    "size": "2M",
    "scheduler": "batch",
    "policy": "require",
    "name": "pcid",
    "match": {"all": True},
}


def text_options(spec: dict[str, t.Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The options of a wish whose values are free texts, by the names that lead to them."""
    for name, option in spec.items():
        if "options" in option:
            yield from text_options(option["options"], (*path, name))
        elif "choices" not in option and "str" in (option["type"], option.get("elements")):
            yield (*path, name)


def with_text(spec: dict[str, t.Any], path: tuple[str, ...], text: str) -> dict[str, t.Any]:
    """Options that say ``text`` in one place, and whatever else they have to say."""
    name, *inner = path
    option = spec[name]
    value: t.Any = with_text(option["options"], tuple(inner), text) if inner else text
    told = {name: [value] if option["type"] == "list" else value}
    if name == "match":
        told["queues"] = "1"
    elif name == "model" and "topology" in spec:
        told["mode"] = "custom"
    needed = {other for other, its in spec.items() if its.get("required") and other not in told}
    return {**told, **{other: BESIDE[other] for other in needed}}


TEXTS = sorted(text_options(wish_spec()))


def test_every_free_text_is_tried() -> None:
    assert {("disks", "match", "alias"), ("cpu", "features", "name"), ("cputune", "emulatorpin")} <= set(TEXTS)


def tags(connection: t.Any) -> set[str]:
    root = Document.parse(definition(connection, "test")).root
    return {str(element.tag) for element in root.iter()} | {str(name) for each in root.iter() for name in each.attrib}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), NASTY)
def test_no_value_can_inject_xml(kept: tuple[t.Any, LocalHost], path: tuple[str, ...], text: str) -> None:
    connection, host = kept
    first = definition(connection, "test")
    wish = {"domains": ["test"], **with_text(wish_spec(), path, text)}
    options = {"uri": URI, "backup_dir": f"{host.tmpdir}/backups", "wishes": [wish], "allow_empty": True}
    refused = None
    try:
        tune_domains(host, checked(tune_argument_spec(), options), False)
    except GoldsmithError as error:
        refused = error
    if refused is None:
        assert "injected" not in tags(connection)
        connection.defineXML(first)
    else:
        assert refused.cause and refused.way_out
        assert definition(connection, "test") == first


@pytest.fixture(name="kept", scope="module")
def fixture_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[t.Any, LocalHost]]:
    """One connection for all examples, and as it was after them."""
    connection = libvirt.open(URI)
    first = definition(connection, "test")
    yield connection, LocalHost(str(tmp_path_factory.mktemp("kept")))
    connection.defineXML(first)
    connection.lookupByName("test").pinVcpu(0, (True,) * 8)
    connection.lookupByName("test").pinVcpu(1, (True,) * 8)
    connection.close()
