# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from shell lines to a recipe: the playbook, its guide, and the options of the virt-customize that is here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines import options
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.convert import convert
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.model import Files
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.conversion_playbook import playbook
from ansible_collections.goldsmith.kvm.tests.fixtures import dummy_images
from tests.tools import setup
from tests.tools.sanity import OLDEST_VENV

from .examples import ROOT, blocks
from .plays import PLAYBOOK, Played, run_playbook, run_plays, run_tasks

GUIDE = ROOT / "docs" / "from_shell_lines.md"
CONVERT = "goldsmith.kvm.convert_virt_customize"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"

needs_virt_customize = pytest.mark.skipif(not shutil.which("virt-customize"), reason="virt-customize is not installed")


def asked(*arguments: str) -> str:
    return subprocess.run(["virt-customize", *arguments], check=True, capture_output=True, text=True).stdout


@needs_virt_customize
def test_every_option_of_virt_customize_is_known() -> None:
    listed = asked("--long-options").split()
    assert len(listed) > 40
    assert [option for option in listed if option.lstrip("-") not in options.NAMES] == []


@needs_virt_customize
def test_it_is_known_which_options_take_a_value() -> None:
    found = re.findall(r"^  (-.*?)(?: (<.*>))?(?:  +\S.*)?$", asked("--help"), re.MULTILINE)
    takes = {name.lstrip("-"): bool(value) for names, value in found for name in names.split(", ")}
    known = {"append-line", "memsize", "update", "x", "no-network", "firstboot-command", "dry-run"}
    assert known <= set(takes)
    read = {name: list(options.read([(_text(f"--{name}"), _place()), (_text("value"), _place())])) for name in takes}
    assert {name for name, arguments in read.items() if len(name) > 1 and len(arguments) == 1} == {
        name for name, value in takes.items() if len(name) > 1 and value
    }


def _text(text: str) -> options.Text:
    return options.Text.of(text)


def _place() -> options.Place:
    return options.Place(1)


SCRIPT = """\
#!/bin/bash
set -euo pipefail
export LIBGUESTFS_BACKEND=direct
IMAGE={directory}/noble.qcow2
PREFIX=web
sudo virt-customize -a "$IMAGE" --memsize 2048 --no-network -x \\
    --hostname "$PREFIX-base" --timezone Europe/Oslo \\
    --mkdir /opt/app --upload bin/app:/opt/app --copy-in site:/srv --run harden.sh \\
    --write '/etc/motd:It is "{{{{ quoted }}}}":
two lines' --commands-from-file more.txt \\
    --ssh-inject "root:file:{directory}/ops.pub" --root-password password:hunter2 \\
    --firstboot boot.sh --truncate /etc/machine-id --password ops:random
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A script, and the files that it names."""
    for name, text in {
        "build.sh": SCRIPT.format(directory=tmp_path),
        "more.txt": "# more\ninstall nginx-light\nedit /etc/x:\\\n  s/a/b/\n",
        "bin/app": "#!/bin/sh\n",
        "site/index.html": "",
        "harden.sh": "true\n",
        "boot.sh": "true\n",
        "ops.pub": f"{KEY}\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "bin/app").chmod(0o755)
    dummy_images.qcow2(tmp_path / "noble.qcow2")
    return tmp_path


def converted(directory: Path, *arguments: str, ansible_playbook: Path = PLAYBOOK) -> Played:
    """Run the playbook from a directory, as users do."""
    extra = [part for argument in arguments for part in ("-e", argument)]
    return run_playbook(CONVERT, *extra, environ={"PWD": str(directory)}, ansible_playbook=ansible_playbook)


def test_a_script_becomes_a_playbook_that_can_be_run(directory: Path) -> None:
    made = converted(directory, "source=build.sh", "dest=golden.yml")
    assert made.changed == ["Write the playbook"]
    text = (directory / "golden.yml").read_text()
    assert "hunter2" not in text + made.output
    shown = made.of("Show what there is to see to")["msg"]
    assert all(f"# - {message}" in text for message in shown)
    assert [message for message in shown if message.startswith("line 12: --password ops:random: ")]
    assert converted(directory, "source=build.sh", "dest=golden.yml", "overwrite=true").changed == []

    plays = yaml.safe_load(text)
    (task,) = plays[0]["tasks"]
    steps = task["goldsmith.kvm.image_customize"]["steps"]
    assert [next(iter(step)) for step in steps] == [
        *("hostname", "timezone", "mkdir", "upload", "copy_in", "run", "write", "packages", "edit", "ssh_inject"),
        *("firstboot", "password"),
    ]
    assert steps[3] == {"upload": {"src": "bin/app", "dest": "/opt/app/", "mode": "0755"}}
    assert steps[8]["edit"]["expression"] == "\n  s/a/b/"

    plays[0]["module_defaults"] = {"goldsmith.kvm.image_customize": {"store": str(directory / "store")}}
    plays[0]["connection"] = "local"
    variables = json.dumps({"root_password": "hunter2", "golden_dir": str(directory / "golden")})
    played = run_plays(plays, "--check", "-e", variables, directory=directory)
    result = played.of("Build the golden image")
    assert result["changed"]
    assert [step["step"] for step in result["steps"]] == [next(iter(step)) for step in steps]
    recipe = json.dumps(result)
    assert "web-base" in recipe or result["record"] is None


@pytest.mark.slow
def test_the_oldest_ansible_makes_the_same(directory: Path) -> None:
    setup.make_virtualenv(OLDEST_VENV, "oldest")
    converted(directory, "source=build.sh", "dest=golden.yml")
    made = converted(
        directory, "source=build.sh", "dest=oldest.yml", ansible_playbook=OLDEST_VENV / "bin" / "ansible-playbook"
    )
    assert (directory / "oldest.yml").read_text() == (directory / "golden.yml").read_text()
    assert "DEPRECATION" not in made.output


def test_the_example_of_the_filter() -> None:
    documentation = yaml.safe_load((ROOT / "plugins" / "filter" / "virt_customize_recipe.yml").read_text())
    (result,) = run_tasks(yaml.safe_load(documentation["EXAMPLES"]))
    assert result["msg"] == [
        {"packages": {"install": ["nginx-light"], "recommends": True}},
        {"timezone": {"name": "Europe/Oslo"}},
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["source=build.sh"], "Say what to convert and where to write it: -e source=build.sh -e dest=golden.yml"),
        (["source=none.sh", "dest=x.yml"], "none.sh is not a file. Name the file to convert by -e source=FILE"),
        (["source=site", "dest=x.yml"], "site is not a file. Name the file to convert by -e source=FILE"),
        (["source=build.sh", "dest=ops.pub"], "ops.pub exists. Choose another dest, or say -e overwrite=true"),
        (["source=harden.sh", "dest=x.yml"], "harden.sh: there is no virt-customize command in the text."),
        (["source=build.sh", "dest=x.yml", "kind=foo"], "kind is foo, and has to be auto, command or commands_file"),
        (["source=build.sh", "dest=bin"], "bin is a directory. Name the file to write by -e dest=FILE"),
        (["source=noble.qcow2", "dest=x.yml"], " is not text. "),
        (["source=open.sh", "dest=x.yml"], "open.sh: line 2: what ' begins there does not end."),
    ],
)
def test_what_cannot_be_converted_is_refused(directory: Path, arguments: list[str], says: str) -> None:
    (directory / "open.sh").write_text("# a script\nvirt-customize -a 'x\n")
    with pytest.raises(AssertionError) as caught:
        converted(directory, *arguments)
    assert says in re.sub(r"\s+", " ", str(caught.value))
    assert not (directory / "x.yml").exists()


def test_the_cause_comes_first(directory: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        converted(directory, "source=harden.sh", "dest=x.yml")
    last = re.sub(r"\s+", " ", str(caught.value)).rpartition("TASK [Say what is wrong]")[2]
    assert f"{directory}/harden.sh: there is no virt-customize command" in last
    assert "Finalization" not in last


class _Files(Files):
    def read(self, path: str) -> str | None:
        return None

    def mode(self, path: str) -> str | None:
        return "0644"


SHELL = blocks(GUIDE, "sh")


def test_the_script_of_the_guide_becomes_the_playbook_of_the_guide() -> None:
    assert playbook(convert(SHELL[0], files=_Files()), "build.sh") == "".join(blocks(GUIDE, "yaml"))


@pytest.mark.parametrize("number", range(len(SHELL) - 1))
def test_old_and_new_of_the_guide_are_the_same(number: int) -> None:
    recipes = blocks(GUIDE, "yml")
    assert len(recipes) == len(SHELL) - 1 >= 10
    (recipe,) = convert(SHELL[number + 1], files=_Files()).recipes
    assert list(recipe.steps) == yaml.safe_load(recipes[number])


def test_the_guide_has_every_operation() -> None:
    rows = dict(re.findall(r"^\| `--([a-z-]+)` \| `([a-z_]+)` \|", GUIDE.read_text(), re.MULTILINE))
    assert set(rows) == set(options.OPERATIONS) - {"commands-from-file"}
    assert set(rows.values()) <= set(KINDS)
