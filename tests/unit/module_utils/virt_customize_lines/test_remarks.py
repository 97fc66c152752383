# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a conversion says about what is not in the recipe, or should be looked at."""

from __future__ import annotations

import re
import shlex

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines import idioms
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.convert import convert
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.model import (
    LOOK_AT,
    NOT_NEEDED,
    NOT_TURNED,
    Remark,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.options import TOLD

BASE = "virt-customize -a /srv/a.qcow2"


def remarks(text: str) -> list[Remark]:
    return [remark for remark in convert(text).remarks if not remark.subject.startswith("--add /srv/a.qcow2")]


def of_arguments(*arguments: str) -> tuple[list[Remark], int]:
    """Remarks about the arguments, and the number of steps."""
    made = convert(f"{BASE} --touch /there {shlex.join(arguments)}")
    found = [remark for remark in made.remarks if not remark.subject.startswith("--add /srv/a.qcow2")]
    return found, len(made.recipes[0].steps) - 1


@pytest.mark.parametrize("name", sorted(TOLD))
def test_every_option_that_is_not_in_the_recipe_is_named(name: str) -> None:
    told = TOLD[name]
    (remark,), steps = of_arguments(f"--{name}", *(["value"] if told.takes_value else []))
    assert (remark.kind, remark.cause, remark.place.line, steps) == (told.kind, told.cause, 1, 0)
    assert remark.subject.startswith(f"-{name}" if len(name) == 1 else f"--{name}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--truncate", "/etc/machine-id"),
        ("--delete", "/var/lib/dbus/machine-id"),
        ("--delete", "/var/lib/systemd/random-seed"),
        ("--write", "/etc/machine-id:"),
        ("--write", "/etc/machine-id:uninitialized\n"),
        ("--link", "/etc/machine-id:/var/lib/dbus/machine-id"),
        ("--run-command", "truncate -s 0 /etc/machine-id"),
        ("--run-command", "truncate -s0 /etc/machine-id /var/lib/dbus/machine-id"),
        ("--run-command", "truncate --size=0 /etc/machine-id"),
        ("--run-command", "> /etc/machine-id"),
        ("--run-command", ": >/etc/machine-id"),
        ("--run-command", "echo -n > /etc/machine-id"),
        ("--run-command", "cat /dev/null > /etc/machine-id"),
        ("--run-command", "cp /dev/null /etc/machine-id"),
        ("--run-command", "rm -f /etc/machine-id /var/lib/dbus/machine-id && touch /etc/machine-id"),
        ("--run-command", "truncate -s 0 /etc/machine-id; rm -f /var/lib/dbus/machine-id; ln -s /etc/machine-id "
         "/var/lib/dbus/machine-id"),
    ],
)  # fmt: skip
def test_resetting_the_identity_is_not_needed(arguments: tuple[str, ...]) -> None:
    (remark,), steps = of_arguments(*arguments)
    assert (remark.kind, remark.cause, steps) == (NOT_NEEDED, idioms.IDENTITY, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--write", "/etc/machine-id:0123456789abcdef0123456789abcdef\n"),
        ("--run-command", "truncate -s 32 /etc/machine-id"),
        ("--run-command", "rm -f /etc/machine-id /etc/hostname"),
        ("--run-command", "date > /etc/machine-id"),
        ("--run-command", "truncate -s 0 /etc/machine-id 2>/dev/null; apt-get clean"),
        ("--run-command", "touch /etc/machine-id.old"),
    ],
)
def test_what_does_more_than_that_stays(arguments: tuple[str, ...]) -> None:
    found, steps = of_arguments(*arguments)
    assert steps == 1
    assert NOT_NEEDED not in {remark.kind for remark in found}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--password", "ops:password:hunter2"),
        ("--password", "ops:locked:password:hunter2"),
        ("--root-password", "password:hunter2"),
        ("--run-command", "echo ops:hunter2 | chpasswd"),
        ("--run-command", "printf 'ops:hunter2' | chpasswd"),
        ("--run-command", "useradd -p hunter2 --comment password ops"),
        ("--write", "/etc/agent.yaml:api_key: hunter2"),
        ("--key", "all:key:hunter2"),
        ("--sm-credentials", "me:password:hunter2"),
        ("--password", "ops:secret:hunter2"),
        ("--password", "hunter2"),
        ("--password", "ops:password:my", "hunter2"),
        ("--frobnicate=password=hunter2",),
    ],
)
def test_no_remark_shows_a_secret(arguments: tuple[str, ...]) -> None:
    found, dummy = of_arguments(*arguments)
    assert found
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    "arguments",
    [("--password", "ops:password:hunter2"), ("--run-command", "echo ops:hunter2 | chpasswd")],
)
def test_a_password_is_left_to_the_vault(arguments: tuple[str, ...]) -> None:
    (remark,), dummy = of_arguments(*arguments)
    assert remark.way_out == "Give the variable ops_password in a file of Ansible Vault"
    assert "hunter2" not in str(convert(f"{BASE} {shlex.join(arguments)}"))


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (("--password", "root:random"), NOT_TURNED, "each build"),
        (("--ssh-inject", "root:url:x"), NOT_TURNED, "no selector"),
        (("--ssh-inject", "root"), LOOK_AT, "newest key"),
        (("--chmod", "755:/x"), LOOK_AT, "made it 1363 in octal"),
        (("--chmod", "u+x:/x"), NOT_TURNED, "no permissions"),
        (("--hostname", "a_b"), NOT_TURNED, "name is no host name: 'a_b'"),
        (("--install", "linux-image-*"), NOT_TURNED, "not the name of a package"),
        (("--mkdir", "srv"), NOT_TURNED, "path has to be an absolute path and is 'srv'"),
        (("--write", "/etc/x"), NOT_TURNED, "too few colons"),
        (("--memsize", "2G"), NOT_TURNED, "not a number"),
        (("--frobnicate",), NOT_TURNED, "not an option of virt-customize"),
        (("--firstboot-", "x"), NOT_TURNED, "firstboot-command or firstboot-install"),
        (("--touch",), NOT_TURNED, "value is missing"),
        (("-a", "/srv/b.qcow2"), NOT_TURNED, "a base has one disk"),
        (("stray",), NOT_TURNED, "belongs to no option"),
        (("--run-command", "apt-get install -y vim"), LOOK_AT, "step packages"),
        (("--run-command", "systemctl enable --now ssh"), LOOK_AT, "no service manager"),
        (("--run-command", "false; true"), LOOK_AT, "the last command alone"),
        (("--password-crypto", "md5"), LOOK_AT, "does not hash so"),
        (("--copy-in", "site:/srv"), LOOK_AT, "relative path"),
    ],
)
def test_what_is_said_about_arguments(arguments: tuple[str, ...], kind: str, says: str) -> None:
    found, dummy = of_arguments(*arguments)
    assert [remark.kind for remark in found if says in remark.cause] == [kind]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("/etc/ssh/sshd_config.d/x:PermitRootLogin prohibit-password", False),
        ("/etc/ssh/sshd_config.d/x:PasswordAuthentication no", False),
        ("/etc/x:token =", False),
        ("/etc/agent.yaml:api_key: 0123", True),
        ("/etc/x:DB_PASSWORD=0123", True),
        ('/etc/x:{"secret": "0123"}', True),
    ],
)
def test_a_secret_in_a_file_is_seen(value: str, told: bool) -> None:
    found, dummy = of_arguments("--write", value)
    assert bool([remark for remark in found if "secret" in remark.cause]) is told


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("curl -H 'Authorization: Bearer hunter2' https://example.com/", True),
        ("curl -H 'authorization: hunter2' https://example.com/", True),
        ("curl https://example.com/?token=hunter2", True),
        ("enrol password=hunter2", True),
        ("curl -u ops:hunter2 https://example.com/", True),
        ("curl --user 'ops:hunter2' https://example.com/", True),
        ("curl https://ops:hunter2@example.com/", True),
        ("wget --password=hunter2 https://example.com/", True),
        ("login ghp_hunter2hunter2hunter2hunter2", True),
        ("login AKIAIOSFODNN7EXAMPLE", True),
        ('curl -H "Authorization: Bearer $TOKEN" https://example.com/', False),
        ("curl -u ops https://example.com/", False),
        ("chown -R www-data:www-data /srv", False),
        ("id -u root", False),
        ("curl https://example.com:8080/a@b", False),
        ("ssh -o User=git git@example.com:a", False),
        ("docker run -u 1000:1000 a", False),
        ("echo basic auth", False),
    ],
)
def test_a_secret_in_a_command_is_seen(command: str, told: bool) -> None:
    found, steps = of_arguments("--run-command", command)
    about = [remark for remark in found if "may hold a secret" in remark.cause]
    assert (bool(about), steps) == (told, 1)
    assert all("option secrets of the step run_command" in remark.way_out for remark in about)
    assert "hunter2" not in str(found)


def test_a_command_of_which_nothing_came_is_no_task() -> None:
    made = convert(f"{BASE} --hostname a_b\nvirt-customize -a /srv/b.qcow2 --touch /x")
    assert [recipe.image for recipe in made.recipes] == ["/srv/b.qcow2"]
    assert [remark.kind for remark in made.remarks if "no step came of" in remark.cause] == [NOT_TURNED]
    assert convert(f"{BASE} --hostname a_b").recipes == ()


def test_every_step_that_is_recommended_is_there() -> None:
    assert {step for step, dummy in idioms._HINTS.values()} <= set(KINDS)


SCRIPT = f"""\
wget https://cloud-images.ubuntu.com/releases/24.04/release/ubuntu-24.04-server-cloudimg-amd64.img
cp ubuntu.img /srv/a.qcow2
qemu-img resize /srv/a.qcow2 +20G
for i in 1 2; do
    {BASE} --touch /a
done
docker run tools virt-customize -a /srv/a.qcow2 --touch /b
mount /dev/vdb /mnt; umount /mnt
https_proxy=http://proxy.example.com:3128 {BASE} --update
virt-sysprep -a /srv/a.qcow2
virsh start a
"""


def test_what_is_said_about_the_rest_of_a_script() -> None:
    assert [(remark.place.line, remark.kind, remark.subject) for remark in remarks(SCRIPT)] == [
        (1, LOOK_AT, "wget"),
        (2, NOT_NEEDED, "cp"),
        (3, LOOK_AT, "qemu-img resize"),
        (5, LOOK_AT, "virt-customize"),
        (7, LOOK_AT, "docker"),
        (8, NOT_TURNED, "mount (line 8), umount (line 8)"),
        (9, LOOK_AT, "https_proxy=http://proxy.example.com:3128"),
        (10, LOOK_AT, "virt-sysprep"),
        (11, NOT_TURNED, "virsh start"),
    ]
    assert "{release: noble}" in remarks(SCRIPT)[0].way_out


def test_remarks_are_sentences() -> None:
    for text in (SCRIPT, f"{BASE} --chmod 755:/x --password root:random --ssh-inject root --frobnicate"):
        for remark in convert(text).remarks:
            assert re.fullmatch(r"[^A-Z].*[^.]", remark.cause), remark.cause
            assert not remark.way_out or re.fullmatch(r"[A-Z].*[^.]", remark.way_out), remark.way_out
