# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that steps name, by real plays in check mode: what arrives is told by the digests in the diff."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.tree import archive_digest
from ansible_collections.goldsmith.kvm.tests.integration.plays import PLAYBOOK, Played, Result, run_plays
from tests.tools import setup
from tests.tools.sanity import OLDEST_VENV

MODULE = "goldsmith.kvm.image_customize"
TEMPLATE = """\
{{ ansible_managed }}
{% for name in names %}
  {{ name }}
{% endfor %}
{% include 'part.j2' %}
{{ lookup('ansible.builtin.vars', 'greeting') }} {{ vaulted }} ä

"""


@dataclass
class Project:
    """A playbook's directory, with a role ``web``."""

    directory: Path
    image: Path

    def write(self, name: str, content: str, *, vault: bool = False) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        if vault:
            argv = [Path(sys.executable).with_name("ansible-vault"), "encrypt", *self.vault(), path]
            subprocess.run(argv, check=True, capture_output=True)
        return path

    def vault(self) -> list[str]:
        return ["--vault-password-file", str(self.directory / "password")]

    def customize(self, steps: list[dict[str, t.Any]], **options: t.Any) -> dict[str, t.Any]:
        return {
            MODULE: {
                "base": {"path": str(self.image), "publisher": "ubuntu", "version": "24.04", "serial": "1"},
                "dest_dir": str(self.directory / "golden"),
                "store": str(self.directory / "store"),
                "name": "web",
                "steps": steps,
            },
            "check_mode": True,
            "diff": True,
            **options,
        }

    def play(self, tasks: list[dict[str, t.Any]], *, ansible_playbook: Path = PLAYBOOK, **variables: t.Any) -> Played:
        """The tasks as those of the role."""
        self.write("roles/web/tasks/main.yml", json.dumps(tasks))
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "roles": ["web"],
            "vars": {"ansible_python_interpreter": sys.executable, **variables},
        }
        tmp = self.directory / "tmp"
        tmp.mkdir(exist_ok=True)
        environ = {"ANSIBLE_LOCAL_TEMP": str(tmp)}
        return run_plays(
            [play], *self.vault(), directory=self.directory, environ=environ, ansible_playbook=ansible_playbook
        )


@pytest.fixture(name="project")
def fixture_project(tmp_path: Path, image: Path) -> Project:
    project = Project(tmp_path, image)
    project.write("password", "not a secret")
    return project


def wanted(result: Result) -> list[dict[str, t.Any]]:
    assert not result.get("failed"), result["msg"]
    return [options for step in result["diff"]["after"]["steps"] for options in step.values()]


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("version", ["newest", pytest.param("oldest", marks=pytest.mark.slow)])
def test_a_template_is_what_ansible_makes_of_it(project: Project, version: str) -> None:
    project.write("roles/web/templates/site.j2", TEMPLATE)
    project.write("roles/web/templates/part.j2", "part of {{ greeting }}\n")
    project.write("templates/beside.j2", "no line break at the end: {{ names | length }}")
    project.write("roles/web/templates/vaulted.j2", "secret {{ greeting }}\n", vault=True)
    project.write("roles/web/templates/empty.j2", "")
    project.write("roles/web/templates/value.j2", "{{ names }}")
    project.write("roles/web/vars/main.yml", "vaulted: of the role\n", vault=True)
    names = ["site.j2", "beside.j2", "vaulted.j2", "empty.j2", "value.j2"]
    made = [
        {"ansible.builtin.template": {"src": name, "dest": str(project.directory / f"{name}.made")}} for name in names
    ]
    steps = [{"template": {"src": name, "dest": f"/srv/{name}"}} for name in names]
    if version == "oldest":
        setup.make_virtualenv(OLDEST_VENV, "oldest")
    program = PLAYBOOK if version == "newest" else OLDEST_VENV / "bin" / "ansible-playbook"
    tasks = [*made, project.customize(steps)]
    played = project.play(tasks, ansible_playbook=program, names=["a", "b"], greeting="hello")
    assert [options["src"] for options in wanted(played.results[-1])] == [
        digest((project.directory / f"{name}.made").read_bytes()) for name in names
    ]
    assert (project.directory / "site.j2.made").read_text().endswith("hello of the role ä\n\n")
    assert [path for path in (project.directory / "tmp").rglob("*") if path.is_file()] == []


def test_files_are_found_as_copy_finds_them(project: Project) -> None:
    of_role = project.write("roles/web/files/both", "of the role\n")
    project.write("files/both", "of the playbook\n")
    project.write("files/vaulted", "opened\n", vault=True)
    large = project.write("files/large", "")
    with large.open("wb") as file:
        file.truncate(300 * 1024**2)
    steps = [{"upload": {"src": name, "dest": "/srv/"}} for name in ("both", "vaulted", "large")]
    (result,) = project.play([project.customize(steps)]).results
    sources = [options["src"] for options in wanted(result)]
    assert sources[:2] == [digest(of_role.read_bytes()), digest(b"opened\n")]
    assert sources[2] == f"sha256:{hashlib.sha256(bytes(300 * 1024**2)).hexdigest()}"


def test_directories_are_packed(project: Project) -> None:
    for vault, top in ((True, "roles/web/files/site"), (False, "plain/site")):
        project.write(f"{top}/index.html", "hello\n")
        project.write(f"{top}/conf/key", "opened\n", vault=vault)
        (project.directory / top / "link").symlink_to("conf/nowhere")
        (project.directory / top / "empty").mkdir()
    plain = project.directory / "plain/site"
    steps: list[dict[str, t.Any]] = [
        {"copy_in": {"src": "site", "dest": "/var/www"}},
        {"copy_in": {"src": "site/", "dest": "/var/www"}},
        {"copy_in": {"src": str(plain), "remote_src": True, "dest": "/var/www"}},
    ]
    (result,) = project.play([project.customize(steps)]).results
    assert [options["src"] for options in wanted(result)] == [archive_digest(str(plain))] * 3


def test_a_secret_is_only_shown_as_a_seal(project: Project) -> None:
    project.write("files/pin", "1234")
    steps = [{"upload": {"src": "pin", "dest": "/srv/pin", "secret": True, "in_image": True}}]
    played = project.play([project.customize(steps)])
    (options,) = wanted(played.results[0])
    assert options["src"].startswith("hmac-sha256:")
    assert hashlib.sha256(b"1234").hexdigest() not in json.dumps(played.results) + played.output
    assert played.results[0]["image"]["path"] is None


def test_what_cannot_be_had_is_said_with_step_and_file(project: Project) -> None:
    project.write("templates/undefined.j2", "{{ nowhere }}\n")
    project.write("templates/broken.j2", "{% if %}\n")
    project.write("files/foreign", "opened\n", vault=True).write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    pipes = project.directory / "files/pipes"
    pipes.mkdir()
    os.mkfifo(pipes / "pipe")
    cases: list[tuple[dict[str, t.Any], list[str]]] = [
        ({"template": {"src": "absent.j2", "dest": "/a"}}, ["src of step 1 (template) was not found", "absent.j2"]),
        (
            {"name": "Greet", "template": {"src": "undefined.j2", "dest": "/a"}},
            ["src of step 1 (template: Greet) cannot be rendered", "undefined.j2", "'nowhere' is undefined"],
        ),
        ({"template": {"src": "broken.j2", "dest": "/a"}}, ["(template) cannot be rendered", "broken.j2"]),
        ({"upload": {"src": "foreign", "dest": "/a"}}, ["src of step 1 (upload) cannot be decrypted", "foreign"]),
        ({"upload": {"src": "pipes", "dest": "/a"}}, ["src of step 1 (upload) is a directory"]),
        (
            {"copy_in": {"src": "pipes", "dest": "/a"}},
            ["src of step 1 (copy_in): ", "pipes/pipe is neither a file, a directory nor a symbolic link"],
        ),
        ({"copy_in": {"src": "/absent", "remote_src": True, "dest": "/a"}}, ["is no file of this host: /absent"]),
        ({"copy_in": {"src": str(pipes), "remote_src": True, "dest": "/a"}}, ["(copy_in): ", "pipes/pipe is neither"]),
    ]
    played = project.play([project.customize([step], ignore_errors=True) for step, dummy in cases])
    for result, (dummy, said) in zip(played.results, cases):
        assert result["failed"]
        for part in said:
            assert part in result["msg"]
    assert [path for path in (project.directory / "tmp").rglob("*") if path.is_file()] == []


def test_files_of_steps_for_other_systems_need_not_be_there(project: Project) -> None:
    absent = {"upload": {"src": "absent", "dest": "/a"}}
    other = {"condition": {"version": "22.04"}, **absent}
    meant = {"condition": {"distribution": ["ubuntu"], "version": ">=24"}, **absent}
    there = {"hostname": {"name": "a"}}
    tasks = [project.customize(steps, ignore_errors=True) for steps in ([there, other], [there, meant], [there])]
    without, needed, plain = project.play(tasks).results
    assert [step["skipped"] for step in without["steps"]] == [False, True]
    assert without["image"]["path"] == plain["image"]["path"]
    assert "src of step 2 (upload) was not found on the controller: absent" in needed["msg"]
