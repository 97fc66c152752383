# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role golden_image says and does without a launch: wrong lists, foreign hosts, single tags, check mode."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.server import Server
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

from .examples import ROOT
from .plays import PLAYBOOK, Played, run_playbook, run_plays, run_tasks
from .presets import PRESETS, preset_steps
from .publishing import Foundry

ROLE = ROOT / "roles" / "golden_image"
PRUNING = " : Prune superseded images"


@pytest.fixture(name="variables")
def fixture_variables(server: Server, keys: Keys, tmp_path: Path) -> dict[str, t.Any]:
    return {
        "ansible_python_interpreter": sys.executable,
        "golden_image_release": "noble",
        "golden_image_mirrors": [server.url],
        "golden_image_keyring": str(keys.binary),
        "golden_image_store": str(tmp_path / "store"),
        "golden_image_dest_dir": str(tmp_path / "golden"),
        "golden_image_install_packages": False,
        "golden_image_presets": [],
        "golden_image_steps": [{"hostname": {"name": "a"}}],
    }


def play(variables: dict[str, t.Any], *options: str, **more: t.Any) -> Played:
    return run_playbook("goldsmith.kvm.golden_image", *("-e", json.dumps(variables), *options), **more)


def refused(variables: dict[str, t.Any], *options: str, **more: t.Any) -> str:
    """What a play says that fails."""
    with pytest.raises(AssertionError) as caught:
        play(variables, *options, **more)
    return re.sub(r"\s+", " ", str(caught.value))


def test_argument_specs_have_the_role_s_defaults() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert {name: spec["default"] for name, spec in specs.items()} == defaults


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([{"relaese": "noble"}], "golden_image_images has unknown keys: relaese. Known are: arch, audit,"),
        (["noble"], "golden_image_images"),
        ([{"name": "a"}, {"name": "b"}, {"name": "a"}], "entries that would replace each other's image: "),
        ([{}, {"size": "20G"}], "golden/noble-server, "),
    ],
)
def test_a_wrong_list_is_refused_before_anything_is_fetched(
    variables: dict[str, t.Any], tmp_path: Path, images: list[t.Any], said: str
) -> None:
    assert said in refused({**variables, "golden_image_images": images})
    assert not (tmp_path / "store").exists()


def test_wrong_options_are_refused_before_anything_is_fetched(variables: dict[str, t.Any], tmp_path: Path) -> None:
    images = [
        {"steps": [{"hostnam": {"name": "a"}}], "boot_check": "perhaps", "keep": -3},
        {"formats": [{"format": "vmdk"}], "boot_options": {"firmware": ["bios", "uefi"]}, "keep": "2"},
        {"name": "c", "formats": [{"format": "nonsense"}], "audit_allow": [{"rule": "logz", "reason": "x"}]},
    ]
    said = refused({**variables, "golden_image_images": images, "golden_image_boot_options": {"memory": "much"}})
    sentences = (
        '"msg": "golden_image_boot_options.memory is \'much\', which is not a size. Write a number with K, M, G or T',
        "golden_image_images[0].steps[0].hostnam (step 1) is not a kind of step; hostname is. There are upload, ",
        "golden_image_images[0].boot_check: argument 'boot_check' is of type str and we were unable to convert to bool",
        "golden_image_images[0].keep is -3. Give a number from 0 on",
        "golden_image_images[2].audit_allow[0].rule is 'logz', which is no rule of the audit; logs is.",
        "golden_image_images[2].formats[0]: value of format must be one of: qcow2, raw, vmdk,",
    )
    assert [sentence for sentence in sentences if sentence not in said] == []
    assert "golden_image_images[1]" not in said and not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (
            [{"arch": "arm64"}],
            "here an image is for arm64. Set golden_image_boot_check: false, or boot_check: false in",
        ),
        ([{}, {"name": "b", "arch": "ppc64el"}], "here an image is for ppc64el."),
    ],
)
def test_an_image_that_cannot_be_booted_is_refused_before_anything_is_fetched(
    variables: dict[str, t.Any], tmp_path: Path, images: list[t.Any], said: str
) -> None:
    assert said in refused({**variables, "golden_image_images": images})
    assert not (tmp_path / "store").exists()
    only = [{**image, "boot_check": not image.get("arch")} for image in images]
    play({**variables, "golden_image_images": only}, "--tags", "golden_image_preflight")


def test_a_host_on_which_nothing_can_be_booted(variables: dict[str, t.Any], tmp_path: Path) -> None:
    other = tmp_path / "ansible-playbook"
    other.write_text(f'#!/bin/sh\nexec setarch i686 {PLAYBOOK} "$@"\n')
    other.chmod(0o755)
    variables = {**variables, "golden_image_arch": "amd64"}
    with pytest.raises(AssertionError, match=r"here\s+the\s+host\s+is\s+i686\."):
        play(variables, "--check", ansible_playbook=other)
    play({**variables, "golden_image_boot_check": "false"}, "--tags", "golden_image_preflight", ansible_playbook=other)


def test_check_mode_of_several_images(variables: dict[str, t.Any], tmp_path: Path) -> None:
    images = [{}, {"name": "b"}, {"name": "b", "dest_dir": str(tmp_path / "other")}]
    planned = play({**variables, "golden_image_images": images}, "--check", "--diff")
    assert planned.changed.count("goldsmith.kvm.golden_image : Customise it") == 3
    for name in ("golden/noble-server", "golden/b", "other/b"):
        assert re.search(rf"{name}-\S+\.qcow2 \(would be built\)", planned.output)
    assert list(tmp_path.glob("[sgo]*")) == []


def test_a_single_tag_checks_what_was_asked_for(variables: dict[str, t.Any], tmp_path: Path) -> None:
    wrong = {**variables, "golden_image_images": [{"relaese": "noble"}]}
    for tag in ("golden_image_fetch", "golden_image_build"):
        assert "golden_image_images has unknown keys: relaese" in refused(wrong, "--tags", tag)
    assert not (tmp_path / "store").exists()
    assert "(would be built)" in play(variables, "--check", "--tags", "golden_image_build").output


@pytest.fixture(name="foundry")
def fixture_foundry(host: LocalHost, tmp_path: Path) -> Foundry:
    """Three images of each of two names in the store and the directory of the role."""
    foundry = Foundry(host, tmp_path)
    for name in ("noble-server", "b"):
        for days in (3, 2, 1):
            foundry.publish(f"2026010{days}", name, days=days)
    return foundry


def test_check_mode_tells_what_would_be_pruned(variables: dict[str, t.Any], foundry: Foundry) -> None:
    """It counts the image that would be built."""
    images = [{}, {"name": "b", "keep": 1}]
    before = sorted(foundry.golden.iterdir())
    planned = play({**variables, "golden_image_keep": 3, "golden_image_images": images}, "--check", "--diff")
    pruned = [
        result["removed_golden"] for task, result in zip(planned.tasks, planned.results) if task.endswith(PRUNING)
    ]
    assert [[Path(image["path"]).name[: -len("-12345678.qcow2")] for image in images] for images in pruned] == [
        ["noble-server-20260103"],
        ["b-20260103", "b-20260102", "b-20260101"],
    ]
    assert sorted(foundry.golden.iterdir()) == before


def test_only_pruning(variables: dict[str, t.Any], foundry: Foundry, server: Server) -> None:
    keep = {**variables, "golden_image_keep": 2}
    said = refused(keep, "--tags", "golden_image_prune")
    assert "The tag golden_image_prune alone needs golden_image_name, or a name in each entry." in said
    named = {**keep, "golden_image_name": "noble-server"}
    assert play({**named, "golden_image_keep": 0}, "--tags", "golden_image_prune").changed == []
    played = play(named, "--tags", "golden_image_prune")
    assert played.changed == [f"goldsmith.kvm.golden_image{PRUNING}"]
    assert server.requests() == []
    left = sorted(path.name[: -len("-12345678.qcow2")] for path in foundry.golden.glob("noble-server-*.qcow2"))
    assert left == ["noble-server-20260101", "noble-server-20260102"]
    assert len(list(foundry.golden.glob("b-*.qcow2"))) == 3
    assert play(named, "--tags", "golden_image_prune").changed == []


def test_only_fetching(variables: dict[str, t.Any], tmp_path: Path) -> None:
    assert play(variables, "--tags", "golden_image_fetch").changed == [
        "goldsmith.kvm.golden_image : Fetch the base image"
    ]
    assert len(list((tmp_path / "store" / "images").glob("*.img"))) == 1
    assert not (tmp_path / "golden").exists()


def test_a_host_without_apt(variables: dict[str, t.Any], tmp_path: Path) -> None:
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith(("apt", "dpkg")):
            (tmp_path / program.name).symlink_to(program)
    said = refused({**variables, "golden_image_install_packages": True}, environ={"PATH": str(tmp_path)})
    assert "The role installs its tools on Debian and Ubuntu alone, and dpkg-query failed on this host: " in said
    assert "set golden_image_install_packages: false" in said
    assert not os.path.exists(tmp_path / "store")


def test_an_unknown_preset_is_refused_before_anything_is_fetched(variables: dict[str, t.Any], tmp_path: Path) -> None:
    said = refused(
        {**variables, "golden_image_images": [{"presets": ["base"]}, {"name": "b", "presets": ["bsae", "base"]}]}
    )
    searched = r"\S+/kvm/playbooks/presets, \S+/kvm/roles/golden_image/presets"
    assert re.search(
        rf"There is no preset bsae. Presets are files NAME.yml in {searched}. There are {', '.join(PRESETS)}\.", said
    )
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"datadog_api_key": "a"}, "golden_image_datadog_api_key is set and golden_image_datadog_key_src is not. Name"),
        ({"datadog_config": {"hostname": "a"}}, "golden_image_datadog_config has hostname or api_key. Leave hostname"),
        ({"falcon_deb": "falcon.deb"}, "golden_image_falcon_deb and golden_image_falcon_cid go together"),
        ({"falcon_cid": "A-1"}, "golden_image_falcon_deb and golden_image_falcon_cid go together"),
    ],
)
def test_what_a_preset_lacks_is_said_before_anything_is_fetched(
    variables: dict[str, t.Any], tmp_path: Path, given: dict[str, t.Any], said: str
) -> None:
    given = {f"golden_image_{name}": value for name, value in given.items()}
    assert said in refused({**variables, **given, "golden_image_presets": ["base", "agents"]})
    assert not (tmp_path / "store").exists()


def test_check_mode_of_all_presets(variables: dict[str, t.Any], tmp_path: Path) -> None:
    (tmp_path / "key.asc").write_text("a key")
    (tmp_path / "falcon.deb").write_text("a package")
    given = {
        "golden_image_datadog_key_src": str(tmp_path / "key.asc"),
        "golden_image_datadog_api_key": "5ec12e7-a",
        "golden_image_falcon_deb": str(tmp_path / "falcon.deb"),
        "golden_image_falcon_cid": "5ec12e7-b",
        "golden_image_falcon_provisioning_token": "5ec12e7-c",
    }
    images = [{"name": name, "presets": [name]} for name in PRESETS] + [{"name": "all", "presets": PRESETS}]
    planned = play({**variables, **given, "golden_image_images": images}, "--check", "--diff", "-v")
    assert planned.changed.count("goldsmith.kvm.golden_image : Customise it") == 5
    assert "5ec12e7" not in planned.output
    assert "aideinit" in planned.output


def test_steps_of_presets_come_first_and_in_order(variables: dict[str, t.Any]) -> None:
    images = [
        {"presets": ["kernel", "base"]},
        {"name": "b", "presets": ["base"], "steps": []},
        {"name": "c"},
        {"name": "d", "generalise": False},
        {"name": "e", "steps": [{"generalise": {"keep": ["logs"]}}]},
    ]
    planned = play({**variables, "golden_image_images": images}, "--check", "--diff")
    plans = [
        result["steps"] for task, result in zip(planned.tasks, planned.results) if task.endswith(" : Customise it")
    ]
    base = ["packages", "disable_unattended_upgrades"]
    assert [[step["step"] for step in steps] for steps in plans] == [
        ["kernel", "kernel", "kernel_cmdline", *base, "hostname", "generalise"],
        [*base, "generalise"],
        ["hostname", "generalise"],
        ["hostname"],
        ["generalise"],
    ]


def test_check_mode_tells_what_would_lie_beside_an_image(variables: dict[str, t.Any], tmp_path: Path) -> None:
    images = [
        {"formats": [{"format": "vmdk"}, {"format": "raw", "suffix": "img"}], "sbom": ["spdx", "cyclonedx"]},
        {"name": "b", "sbom": []},
    ]
    planned = play({**variables, "golden_image_images": images}, "--check", "--diff")
    role = "goldsmith.kvm.golden_image : "
    assert [name.removeprefix(role) for name in planned.changed if "Fetch" not in name] == [
        *("Customise it", "Write it in other formats", "Write its bills of materials", "Customise it"),
    ]
    (converted,) = (result for result in planned.results if "outputs" in result)
    assert [Path(output["dest"]).suffix for output in converted["outputs"]] == [".vmdk", ".img"]
    assert list(tmp_path.glob("[sgo]*")) == []


def test_an_image_whose_packages_cannot_be_read_has_no_bill_of_materials(tmp_path: Path) -> None:
    """It is published: somebody said that it is not to be audited."""
    image = tmp_path / "blank.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    given = {
        "__golden_image": {"formats": [], "sbom": ["spdx"], "owner": "", "group": ""},
        "__golden_image_customized": {"image": {"path": str(image), "digest": "sha256:0"}},
        "__golden_image_stem": str(tmp_path / "blank"),
        "__golden_image_lacking": ["spdx"],
        "golden_image_store": str(tmp_path / "store"),
    }
    role = {"name": "goldsmith.kvm.golden_image", "tasks_from": "derived"}
    task = {"ansible.builtin.include_role": role}
    with pytest.raises(AssertionError) as caught:
        run_plays([{"hosts": "localhost", "gather_facts": False, "vars": given, "tasks": [task]}])
    said = re.sub(r"\s+", " ", str(caught.value))
    assert f"{image} is published, and no bill of materials can be written of it: {image} holds no Linux system" in said
    assert "Set golden_image_sbom: []" in said
    assert list(tmp_path.glob("*.json")) == []


BOOT = {
    "asked": "auto",
    "firmware": "bios",
    "accel": "tcg",
    "kernel": "6.8.0-45-generic",
    "seconds": {"total": 61.26},
    "cloud_init": {"status": "done"},
    "failed_units": [],
    "machine_id": "0f" * 16,
    "address": "10.0.2.15",
    "ssh_host_keys": [{"type": "ed25519", "fingerprint": "SHA256:abc"}],
}


def test_the_summary_has_the_evidence() -> None:
    rules = [{"rule": rule, "status": "passed"} for rule in ("machine_id", "host_keys")]
    made = {
        "image": {"path": "/golden/web-1-ab.qcow2", "current": "/golden/web.qcow2", "digest": "sha256:ab", "size": 1},
        "base": {"product": "server", "serial": "1", "proof": {"method": "checksum"}},
        "changed": True,
        "packages_added": {},
        "seconds": {},
        "audit": {"passed": True, "rules": [*rules, {"rule": "leases", "status": "allowed"}]},
        "boot": [BOOT, {**BOOT, "firmware": "uefi", "failed_units": [{"name": "a.service"}]}],
    }
    template = ROOT / "playbooks" / "templates" / "summary.txt.j2"
    task = {
        "ansible.builtin.debug": {"msg": f"{{{{ lookup('ansible.builtin.template', '{template}').splitlines() }}}}"}
    }
    given = {"golden_image_results": [made, {**made, "audit": None, "boot": []}]}
    (shown,) = run_tasks([task], variables=given)
    lines = shown["msg"]
    assert [line.strip() for line in lines if "audited" in line] == ["audited    3 rules: 2 passed, 1 allowed"]
    assert [line.strip() for line in lines if "booted" in line] == [
        "booted     bios, tcg: 6.8.0-45-generic in 61.3 s, cloud-init done, no failed units",
        "booted     uefi, tcg: 6.8.0-45-generic in 61.3 s, cloud-init done, 1 failed units",
    ]
    assert lines.count(f"             machine-id {'0f' * 16}, address 10.0.2.15") == 2
    assert lines.count("             ed25519 SHA256:abc") == 2


@pytest.fixture(name="site")
def fixture_site(tmp_path: Path) -> Path:
    """A user's playbook directory with a role that has presets of its own, and files for them."""
    for name, content in {
        "roles/site/tasks/main.yml": "- ansible.builtin.include_role: {name: goldsmith.kvm.golden_image}\n",
        "roles/site/defaults/main.yml": "site_greeting: hello\n",
        "roles/site/files/site.conf": "",
        "roles/site/templates/motd.j2": "{{ site_greeting }}\n",
        "roles/site/presets/site.yml": """
            steps:
              - upload: {src: site.conf, dest: /etc/site.conf}
              - template: {src: motd.j2, dest: /etc/motd}
              - write: {dest: /etc/greeting, content: "{{ site_greeting }}, {{ '{{' }} braces }}"}
        """,
        "roles/site/presets/base.yml": "steps: [{hostname: {name: from-the-role}}]\n",
        "presets/base.yml": "steps: [{hostname: {name: from-the-playbook}}]\n",
        "presets/local.yml": "steps: [{hostname: {name: local}}]\n",
    }.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(content)
    return tmp_path / "site"


def test_presets_of_a_user_s_own_role(variables: dict[str, t.Any], site: Path) -> None:
    plays = [{"hosts": "localhost", "gather_facts": False, "roles": ["site"], "vars": variables}]
    presets = {"golden_image_presets": ["site", "local"], "site_greeting": "welcome"}
    planned = run_plays(plays, "--check", "--diff", "-e", json.dumps(presets), directory=site)
    assert [step["step"] for step in planned.of("goldsmith.kvm.golden_image : Customise it")["steps"]] == [
        "upload",
        "template",
        "write",
        "hostname",
        "hostname",
        "generalise",
    ]
    assert "welcome, {{ braces }}" in planned.output


@pytest.mark.parametrize(
    ("play", "found"),
    [
        ({"roles": ["site"]}, "from-the-role"),
        ({"roles": ["goldsmith.kvm.golden_image"]}, "from-the-playbook"),
    ],
)
def test_the_nearest_preset_of_a_name_counts(
    variables: dict[str, t.Any], site: Path, play: dict[str, t.Any], found: str
) -> None:
    given = {**variables, "golden_image_presets": ["base"], "golden_image_steps": []}
    plays = [{"hosts": "localhost", "gather_facts": False, "vars": given, **play}]
    planned = run_plays(plays, "--check", "--diff", directory=site)
    assert re.findall(r"from-the-\w+", planned.output)[0] == found


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ("", "a preset is a dictionary whose steps is a list, and this one is not"),
        ("steps: [{packages: {install: [vim]}}, {pakages: {}}]", "steps[1].pakages (step 2) is not a kind of step"),
        ("steps: [{when: '{{ nowhere_set }}', steps: []}]", "'nowhere_set' is undefined"),
        ("- packages: {install: [nginx]}", "a preset is a dictionary with steps"),
        ("steps: [a: b: c", "a preset is a dictionary with steps"),
    ],
)
def test_a_wrong_preset_is_refused_before_anything_is_fetched(
    variables: dict[str, t.Any], site: Path, tmp_path: Path, preset: str, said: str
) -> None:
    (site / "presets" / "broken.yml").write_text(f"{preset}\n")
    given = {**variables, "golden_image_presets": ["local", "broken"]}
    plays = [{"hosts": "localhost", "gather_facts": False, "roles": ["site"], "vars": given}]
    with pytest.raises(AssertionError) as caught:
        run_plays(plays, directory=site)
    shown = re.sub(r"\s+", " ", str(caught.value))
    assert said in shown
    assert f"The preset broken cannot be used. Correct {site}/presets/broken.yml; a preset is a dictionary" in shown
    assert not (tmp_path / "store").exists()


def test_a_requirement_without_a_message_names_its_preset(variables: dict[str, t.Any], site: Path) -> None:
    (site / "presets" / "local.yml").write_text("{requires: [{that: '{{ 1 > 2 }}'}], steps: []}\n")
    plays = [{"hosts": "localhost", "gather_facts": False, "roles": ["site"], "vars": variables}]
    with pytest.raises(AssertionError) as caught:
        run_plays(plays, "-e", '{"golden_image_presets": ["local"]}', directory=site)
    said = f"The preset local requires something that is not so: see requires in {site}/presets/local.yml"
    assert said in re.sub(r"\s+", " ", str(caught.value))


def test_a_preset_is_named_once(variables: dict[str, t.Any]) -> None:
    said = "An image has a preset more than once: base, base. Name each once"
    assert said in refused({**variables, "golden_image_presets": ["base", "base"]})
    assert said in refused({**variables, "golden_image_images": [{"presets": ["base", "base"]}]})


def test_variables_of_presets() -> None:
    assert [step["condition"] for step in preset_steps(["kernel"])[:2]] == [
        {"distribution": ["ubuntu"]},
        {"distribution": ["debian"]},
    ]
    chosen = {"golden_image_kernel": "linux-image-generic-hwe-24.04", "golden_image_kernel_cmdline": []}
    (kernel,) = preset_steps(["kernel"], chosen)
    assert "linux-image-generic-hwe-24.04" in str(kernel["kernel"])
    assert not any(
        "99-finalize" in str(step) for step in preset_steps(["compliance"], {"golden_image_audit_immutable": False})
    )
