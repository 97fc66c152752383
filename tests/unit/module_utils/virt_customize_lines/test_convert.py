# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import shlex
import typing as t

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jinja2 import Environment

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.convert import convert
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.model import Conversion, Files
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.options import NAMES, OPERATIONS

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"


def _install(*names: str) -> dict[str, t.Any]:
    return {"packages": {"install": list(names), "recommends": True}}


TURNED: dict[str, list[tuple[str, dict[str, t.Any]]]] = {
    "append-line": [
        ("/etc/hosts:10.0.0.1 a:b", {"append_line": {"path": "/etc/hosts", "line": "10.0.0.1 a:b"}}),
        ("/etc/hosts:", {"append_line": {"path": "/etc/hosts", "line": ""}}),
    ],
    "chmod": [
        ("0600:/etc/x:y", {"chmod": {"path": "/etc/x:y", "mode": "0600"}}),
        ("04755:/bin/x", {"chmod": {"path": "/bin/x", "mode": "4755"}}),
    ],
    "chown": [("0:33:/srv/a:b", {"chown": {"path": "/srv/a:b", "owner": "0", "group": "33"}})],
    "copy": [("/etc/a:/etc/b", {"copy": {"src": "/etc/a", "dest": "/etc/b"}})],
    "copy-in": [("files/site:/var/www", {"copy_in": {"src": "files/site", "dest": "/var/www"}})],
    "delete": [("/var/log/*.gz", {"delete": {"path": "/var/log/*.gz"}})],
    "edit": [("/etc/x:s/a:b/c/", {"edit": {"path": "/etc/x", "expression": "s/a:b/c/"}})],
    "firstboot": [("scripts/first boot.sh", {"firstboot": {"name": "first-boot", "src": "scripts/first boot.sh"}})],
    "firstboot-command": [("aideinit -y", {"firstboot_command": {"command": "aideinit -y"}})],
    "firstboot-install": [("a1,b2", {"firstboot_install": {"packages": ["a1", "b2"], "recommends": True}})],
    "hostname": [("web.example.com", {"hostname": {"name": "web.example.com"}})],
    "install": [("nginx, vim,", _install("nginx", "vim"))],
    "link": [("/a:/b:/c", {"link": {"target": "/a", "path": ["/b", "/c"]}})],
    "mkdir": [("/srv/www", {"mkdir": {"path": "/srv/www"}})],
    "move": [("/a:/b", {"move": {"src": "/a", "dest": "/b"}})],
    "password": [
        ("ops:password:a:b", {"password": {"user": "ops", "password": "{{ ops_password }}"}}),
        ("ops:disabled", {"password": {"user": "ops", "disabled": True}}),
        ("ops:locked", {"password": {"user": "ops", "disabled": True, "locked": True}}),
        ("ops:lock:password:x", {"password": {"user": "ops", "password": "{{ ops_password }}", "locked": True}}),
        (
            "ops:file:/root/it's",
            {
                "password": {
                    "user": "ops",
                    "password": "{{ lookup('ansible.builtin.file', '/root/it\\'s').splitlines() | first }}",
                }
            },
        ),
    ],
    "root-password": [("password:x", {"password": {"user": "root", "password": "{{ root_password }}"}})],
    "run": [("/srv/x.sh", {"run": {"src": "/srv/x.sh"}})],
    "run-command": [
        ("echo a:b", {"run_command": {"command": "echo a:b"}}),
        ("echo 'ops:x' | chpasswd", {"password": {"user": "ops", "password": "{{ ops_password }}"}}),
    ],
    "scrub": [("/root/x", {"scrub": {"path": "/root/x"}})],
    "ssh-inject": [
        (f"ops:string:{KEY}", {"ssh_inject": {"user": "ops", "key": KEY}}),
        (
            "ops:file:keys/ops.pub",
            {"ssh_inject": {"user": "ops", "key": "{{ lookup('ansible.builtin.file', 'keys/ops.pub') }}"}},
        ),
        (
            "ops",
            {"ssh_inject": {"user": "ops", "key": "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"}},
        ),
    ],
    "tar-in": [("site.tar:/var/www", {"tar_in": {"src": "site.tar", "dest": "/var/www"}})],
    "timezone": [("Europe/Oslo", {"timezone": {"name": "Europe/Oslo"}})],
    "touch": [("/etc/cloud/cloud-init.disabled", {"touch": {"path": "/etc/cloud/cloud-init.disabled"}})],
    "truncate": [("/var/log/syslog", {"truncate": {"path": "/var/log/syslog"}})],
    "truncate-recursive": [("/var/log", {"truncate_recursive": {"path": "/var/log"}})],
    "uninstall": [("snapd,lxd", {"packages": {"remove": ["snapd", "lxd"]}})],
    "update": [("", {"packages": {"upgrade": "yes"}})],
    "upload": [
        ("files/a:/etc/a.conf", {"upload": {"src": "files/a", "dest": "/etc/a.conf"}}),
        ("files/a:/etc", {"upload": {"src": "files/a", "dest": "/etc/"}}),
    ],
    "write": [("/etc/motd:a\nb: c\n", {"write": {"dest": "/etc/motd", "content": "a\nb: c\n"}})],
}
CASES = [(name, value, step) for name, cases in TURNED.items() for value, step in cases]


def steps(text: str, *, kind: str = "auto") -> list[dict[str, t.Any]]:
    (recipe,) = convert(text, kind).recipes
    return list(recipe.steps)


def command(*arguments: str) -> str:
    return shlex.join(["virt-customize", "-a", "/srv/a.qcow2", *arguments])


def told(conversion: Conversion, kind: str) -> list[str]:
    return [remark.subject for remark in conversion.remarks if remark.kind == kind]


def test_the_table_has_every_operation() -> None:
    assert sorted([*TURNED, "commands-from-file"]) == sorted(OPERATIONS)


@pytest.mark.parametrize(("name", "value", "step"), CASES)
def test_an_operation_of_a_command(name: str, value: str, step: dict[str, t.Any]) -> None:
    assert steps(command(f"--{name}", *([value] if OPERATIONS[name] else []))) == [step]
    if OPERATIONS[name]:
        assert steps(command(f"--{name}={value}")) == [step]
        assert steps(command(f"-{name}", value)) == [step]
    parse_steps([json.loads(re.sub(r"\{\{.*?\}\}", KEY, json.dumps(step)))])


@pytest.mark.parametrize(("name", "value", "step"), CASES)
def test_an_operation_of_a_commands_file(name: str, value: str, step: dict[str, t.Any]) -> None:
    line = " ".join([name, value.replace("\n", "\\\n")]).rstrip(" ") if value else name
    assert steps(f"# a comment\n\n  {line}\n", kind="commands_file") == [step]


def test_a_continued_line_of_a_commands_file_keeps_its_end() -> None:
    text = "edit /some/file:\\\n  s/^OPT=.*/OPT=ok/\n# x\\\ny\ntouch /a\n"
    assert steps(text) == [
        {"edit": {"path": "/some/file", "expression": "\n  s/^OPT=.*/OPT=ok/"}},
        {"touch": {"path": "/a"}},
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--install", "a1", "--install", "b2"], [_install("a1", "b2")]),
        (
            ["--uninstall", "a1", "--update", "--install", "b2"],
            [{"packages": {"remove": ["a1"], "upgrade": "yes", "install": ["b2"], "recommends": True}}],
        ),
        (["--install", "b2", "--uninstall", "a1"], [_install("b2"), {"packages": {"remove": ["a1"]}}]),
        (["--install", "b2", "--update"], [_install("b2"), {"packages": {"upgrade": "yes"}}]),
        (["--uninstall", "a1", "--install", "a1"], [{"packages": {"remove": ["a1"]}}, _install("a1")]),
        (
            ["--install", "a1", "--touch", "/x", "--install", "b2"],
            [_install("a1"), {"touch": {"path": "/x"}}, _install("b2")],
        ),
    ],
)
def test_neighbouring_packages_are_one_step_where_the_order_allows(
    arguments: list[str], expected: list[dict[str, t.Any]]
) -> None:
    assert steps(command(*arguments)) == expected
    parse_steps(expected)


def test_passwords_are_set_at_the_end_as_virt_customize_does() -> None:
    found = steps(command("--password-crypto", "sha512", "--root-password", "password:x", "--touch", "/a"))
    assert found == [
        {"touch": {"path": "/a"}},
        {"password": {"user": "root", "password": "{{ root_password }}", "method": "sha512"}},
    ]


SETTINGS = "virt-customize --add=a.qcow2 -m 2048 --smp 4 --no-network -q --touch /a"


def test_options_of_the_module() -> None:
    (recipe,) = convert(f"sudo -E LIBGUESTFS_BACKEND=direct {SETTINGS}").recipes
    assert recipe.image == "a.qcow2"
    assert recipe.options == {"memsize": 2048, "smp": 4, "network": False}
    environment = "LIBGUESTFS_BACKEND_SETTINGS=force_tcg LIBGUESTFS_MEMSIZE=4096"
    (recipe,) = convert(f"export {environment}\n{SETTINGS}").recipes
    assert recipe.options == {"accel": "tcg", "memsize": 4096, "smp": 4, "network": False}


@pytest.mark.parametrize(("size", "options"), [("20G", {"size": "20G"}), ("+5G", {}), ("$SIZE", {})])
def test_the_size_of_the_disk(size: str, options: dict[str, str]) -> None:
    made = convert(f'sudo qemu-img resize "$A" {size}\nvirt-customize -a $A --touch /a\nqemu-img resize $B 5G')
    assert made.recipes[0].options == options
    assert ("qemu-img resize" in told(made, "look_at")) is not bool(options)


def test_calls_for_one_image_are_one_recipe_and_others_their_own() -> None:
    made = convert("virt-customize -a a --touch /1\nvirt-customize -a b --touch /2\nvirt-customize -a a --touch /3")
    assert [(recipe.image, list(recipe.steps)) for recipe in made.recipes] == [
        ("a", [{"touch": {"path": "/1"}}, {"touch": {"path": "/3"}}]),
        ("b", [{"touch": {"path": "/2"}}]),
    ]


class _Files(Files):
    def read(self, path: str) -> str | None:
        return {"ops.txt": "mkdir /srv/www\npassword a:random\n"}.get(path)

    def mode(self, path: str) -> str | None:
        return {"run.sh": "0755", "motd": "0644"}.get(path)


def test_a_commands_file_stands_in_its_place() -> None:
    made = convert(command("--touch", "/a", "--commands-from-file", "ops.txt", "--touch", "/b"), files=_Files())
    assert made.recipes[0].steps == (
        {"touch": {"path": "/a"}},
        {"mkdir": {"path": "/srv/www"}},
        {"touch": {"path": "/b"}},
    )
    (remark,) = (remark for remark in made.remarks if remark.kind == "not_turned")
    assert (str(remark.place), remark.subject) == ("ops.txt line 2", "--password a:random")
    unread = convert(command("--commands-from-file", "other.txt", "--touch", "/b"), files=_Files())
    assert told(unread, "not_turned") == ["--commands-from-file other.txt"]


def test_a_commands_file_of_a_here_document() -> None:
    text = "virt-customize -a a --commands-from-file - <<'EOF'\ntouch /a'b\nEOF\n"
    assert steps(text) == [{"touch": {"path": "/a'b"}}]


def test_uploads_keep_their_permissions() -> None:
    text = command("--mkdir", "/data", "--upload", "run.sh:/data", "--upload", "motd:/etc/motd", "--upload", "x:/y")
    made = convert(text, files=_Files())
    assert [step["upload"] for step in made.recipes[0].steps[1:]] == [
        {"src": "run.sh", "dest": "/data/", "mode": "0755"},
        {"src": "motd", "dest": "/etc/motd"},
        {"src": "x", "dest": "/y"},
    ]
    assert [subject for subject in told(made, "look_at") if "upload" in subject] == ["--upload x:/y"]


def test_variables_of_the_script() -> None:
    made = convert(
        """\
DIR=/srv/images
IMAGE="$DIR/noble.qcow2"
TWICE=1; TWICE=2
API_TOKEN=abc
ARGS=(--touch /1)
ARGS+=(--touch "/2 3")
OPTIONS="--touch /4 --smp 2"
for RELEASE in a b; do :; done
virt-customize -a $IMAGE "${ARGS[@]}" $OPTIONS --touch "/$TWICE" --mkdir /$RELEASE --touch $UNSET \\
    --write "/etc/token:$API_TOKEN" --password "ops:password:$OPS_PW" $MORE
"""
    )
    (recipe,) = made.recipes
    assert recipe.image == "{{ image }}"
    assert recipe.options == {"smp": 2}
    assert made.variables == {"image": "{{ dir }}/noble.qcow2", "dir": "/srv/images"}
    assert list(recipe.steps) == [
        *({"touch": {"path": path}} for path in ("/1", "/2 3", "/4", "/{{ twice }}")),
        {"mkdir": {"path": "/{{ release }}"}},
        {"touch": {"path": "{{ unset }}"}},
        {"write": {"dest": "/etc/token", "content": "{{ api_token }}"}},
        {"password": {"user": "ops", "password": "{{ ops_pw }}"}},
    ]
    assert set(told(made, "not_turned")) >= {"$TWICE", "$RELEASE", "$UNSET", "$API_TOKEN", "$MORE"}
    assert "abc" not in str(made)


def test_a_program_in_a_variable() -> None:
    made = convert(
        'VC="sudo /usr/bin/virt-customize -m 1024"\n$VC -a a.img --touch "/$(( 1 + 2 ))" --touch "/$(echo $A)"'
    )
    (recipe,) = made.recipes
    assert recipe.options == {"memsize": 1024}
    assert [step["touch"]["path"] for step in recipe.steps] == ["/{{ shell_1_2 }}", "/{{ shell_echo_a }}"]
    assert told(made, "not_turned") == ["$(( 1 + 2 ))", "$(echo $A)"]


def test_several_commands_of_one_script_are_told_from_one_another() -> None:
    made = convert(
        "command -v virt-customize >/dev/null || apt-get install virt-customize\n" + command("--touch", "/a")
    )
    assert list(made.recipes[0].steps) == [{"touch": {"path": "/a"}}]


@pytest.mark.parametrize("text", ["", "# nothing\n", "echo virt-customize\n", "virt-customize --help\n", "true\n"])
def test_a_text_without_operations_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        convert(text)
    assert caught.value.way_out


ANY_TEXT = st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), min_size=1)


@given(ANY_TEXT)
def test_a_value_comes_back_the_same(content: str) -> None:
    """Through the shell's quotes, and through Jinja, which may find its own signs in it."""
    (step,) = steps(command("--write", f"/etc/x:{content}"))
    assert Environment(keep_trailing_newline=True).from_string(step["write"]["content"]).render() == content
    parse_steps([step])


@given(ANY_TEXT)
def test_a_value_of_a_commands_file_comes_back_the_same(content: str) -> None:
    assume(not content.endswith("\\"))  # would continue the line
    line = content.replace("\n", "\\\n")
    (step,) = steps(f"write /etc/x:{line}\n", kind="commands_file")
    assert Environment(keep_trailing_newline=True).from_string(step["write"]["content"]).render() == content


@given(st.lists(st.tuples(st.sampled_from(sorted(NAMES)), st.text(alphabet="ab0:/,${}'\" \n-", max_size=12))))
def test_whatever_the_options_the_recipe_is_a_recipe_or_refused(given_options: list[tuple[str, str]]) -> None:
    text = command("--touch", "/a", *(part for name, value in given_options for part in (f"--{name}", value)))
    try:
        made = convert(text)
    except BadRequestError:
        return
    for recipe in made.recipes:
        parse_steps([step for step in recipe.steps if "{{" not in str(step)])
