# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""seed_iso with the real xorriso, read back by xorriso, blkid and the cloud-init of the test base image."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import textwrap
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed import Seed
from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed_iso import LARGEST_FILE, read_iso, write_iso
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import (
    BadRequestError,
    CommandError,
    StoreError,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.seed import make_seed, seed_argument_spec
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost
from tests.tools import setup
from tests.tools.sanity import OLDEST_VENV

from .fetching import Unattributed, small_file_system
from .plays import PLAYBOOK, Result, run_module, run_playbook, run_tasks

MODULE = "goldsmith.kvm.seed_iso"
SECRET = "korrekt-pferd-batterie"
USER_DATA = {"users": [{"name": "ops", "plain_text_passwd": SECRET, "lock_passwd": False}], "timezone": "UTC"}
NETWORK = {"version": 2, "ethernets": {"all": {"match": {"name": "en*"}, "dhcp4": True}}}
SEED = Seed(b"#cloud-config\n{}\n", b"instance-id: a\n", b"version: 2\n", b"")

# Runs the cloud-init of a userland, with the file to look at in its /mnt.
CLOUD_INIT = """\
#!/bin/sh
exec unshare --mount sh -eu -c '
root=$1
shift
if [ "${2-}" = --config-file ]; then
    mount --bind "$(dirname "$3")" "$root/mnt"
    set -- "$1" "$2" "/mnt/$(basename "$3")"
fi
exec chroot "$root" cloud-init "$@"' sh @ROOT@ "$@"
"""

# What NoCloud does with the files of a seed; prints what it finds.
NO_CLOUD = """
import json
from cloudinit import handlers, user_data, util
from cloudinit.net.network_state import parse_net_config_data
found = util.pathprefix2dict("/mnt", required=["user-data", "meta-data"], optional=["vendor-data", "network-config"])
network = parse_net_config_data(util.load_yaml(found["network-config"]))
print(json.dumps({
    "meta-data": util.load_yaml(found["meta-data"]),
    "user-data": util.load_yaml(found["user-data"]),
    "type": handlers.type_from_starts_with(found["user-data"]),
    "interfaces": [interface["name"] for interface in network.iter_interfaces()],
}))
"""


@pytest.fixture(name="cloud_init")
def fixture_cloud_init(lower: dict[str, Path], tmp_path: Path) -> dict[str, str]:
    """An environment with the cloud-init of the test base image."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "cloud-init"
    program.write_text(CLOUD_INIT.replace("@ROOT@", str(lower["/"])))
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def extracted(iso: Path, directory: Path) -> dict[str, bytes]:
    """The files in an image, as xorriso finds them by Rock Ridge."""
    argv = ["xorriso", "-no_rc", "-osirrox", "on", "-indev", str(iso), "-extract", "/", str(directory)]
    subprocess.run(argv, check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_same_seed_is_the_same_bytes(host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first.iso", tmp_path / "second.iso"
    write_iso(host, SEED, str(first))
    time.sleep(1.1)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    previous = os.umask(0o027)
    try:
        write_iso(host, SEED, str(second))
    finally:
        os.umask(previous)
    assert first.read_bytes() == second.read_bytes()
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert os.listdir(host.tmpdir) == []


def test_every_reader_finds_the_same_files(host: LocalHost, tmp_path: Path) -> None:
    seed = Seed(b"#!/bin/sh\n" + b"# filling\n" * 4000, b"\xff\x00", b"version: 2\n", b"#cloud-config\n")
    iso = tmp_path / "seed.iso"
    write_iso(host, seed, str(iso))
    volume = read_iso(str(iso))
    assert volume and (volume.label, volume.files) == ("cidata", seed.files())
    assert extracted(iso, tmp_path / "files") == seed.files()
    said = subprocess.run(["blkid", "-p", "-o", "export", iso], capture_output=True, text=True, check=True).stdout
    assert "LABEL=cidata\n" in said
    assert "TYPE=iso9660\n" in said


def test_an_image_that_is_damaged_is_read_without_a_fault(host: LocalHost, tmp_path: Path) -> None:
    iso = tmp_path / "seed.iso"
    write_iso(host, SEED, str(iso))
    sound, dice = iso.read_bytes(), random.Random(1)
    for dummy in range(300):
        damaged = bytearray(sound)
        for at in (dice.randrange(16 * 2048, len(sound)) for dummy in range(dice.randrange(1, 400))):
            damaged[at] = dice.randrange(256)
        iso.write_bytes(bytes(damaged[: dice.choice([len(sound), dice.randrange(len(sound))])]))
        volume = read_iso(str(iso))
        assert volume is None or volume.files is None or isinstance(volume.files, dict)


def test_nothing_is_left_when_it_cannot_be_written(host: LocalHost, tmp_path: Path) -> None:
    target = tmp_path / "seed.iso"
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "xorriso"
    broken.write_text("#!/bin/sh\necho 'libburn : SORRY : No' >&2\nexit 5\n")
    broken.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
        with pytest.raises(CommandError, match="exit status 5: libburn : SORRY : No"):
            write_iso(host, SEED, str(target))
    assert not target.exists()
    target.write_bytes(b"another's")
    with pytest.raises(StoreError, match=r"seed\.iso cannot be written: File exists"):
        write_iso(host, SEED, str(target))
    assert target.read_bytes() == b"another's"
    assert os.listdir(host.tmpdir) == []


def test_a_seed_from_nothing_to_nothing(tmp_path: Path, lower: dict[str, Path]) -> None:
    """Check, apply, check again, apply again, for each of the changes."""
    path = tmp_path / "web-1.iso"
    options: dict[str, t.Any] = {"path": str(path), "user_data": USER_DATA, "network_config": NETWORK}

    def rhythm(**more: t.Any) -> tuple[Result, Result]:
        task: dict[str, t.Any] = {MODULE: {**options, **more}}
        tasks = [{**task, "check_mode": True}, task, {**task, "check_mode": True}, task]
        foretold, done, again_foretold, again = run_tasks(tasks, "--diff")
        assert foretold["changed"] and done["changed"]
        assert not again_foretold["changed"] and not again["changed"]
        assert foretold["diff"] == done["diff"]
        return done, again

    made, again = rhythm(local_hostname="web-1.example.com")
    assert made["files"] == made["differing"] == ["meta-data", "network-config", "user-data"]
    assert made["diff"]["before"] == {"state": "absent"}
    assert (again["differing"], again["mode"]) == ([], "0600")
    inode = path.stat().st_ino
    files = tmp_path / "files"
    extracted(path, files)
    reading = ["unshare", "--mount", "sh", "-euc", 'mount --bind "$2" "$1/mnt"; exec chroot "$1" python3 -c "$3"', "sh"]
    told = subprocess.run([*reading, str(lower["/"]), str(files), NO_CLOUD], check=True, capture_output=True).stdout
    assert json.loads(told) == {
        "meta-data": {"instance-id": "web-1", "local-hostname": "web-1.example.com"},
        "user-data": USER_DATA,
        "type": "text/cloud-config",
        "interfaces": ["all"],
    }

    changed, dummy = rhythm(local_hostname="web-1.example.com", user_data="#!/bin/sh\ntrue\n", vendor_data={"a": 1})
    assert changed["differing"] == ["user-data", "vendor-data"]
    assert changed["diff"] == {
        "before": {"state": "present", "user-data": "other content", "vendor-data": "absent"},
        "after": {"state": "present", "user-data": "present", "vendor-data": "present"},
    }
    assert path.stat().st_ino != inode
    opened, dummy = rhythm(
        local_hostname="web-1.example.com", user_data="#!/bin/sh\ntrue\n", vendor_data={"a": 1}, mode="0640"
    )
    assert (opened["differing"], opened["mode"]) == ([], "0640")
    gone, dummy = rhythm(state="absent")
    assert gone["diff"] == {"before": {"state": "present"}, "after": {"state": "absent"}}
    assert sorted(os.listdir(tmp_path)) == ["files"]


def test_secrets_are_shown_nowhere(tmp_path: Path, cloud_init: dict[str, str]) -> None:
    broken = f"#cloud-config\nusers: [{{passwd: {SECRET}}}\nb: 1\n"
    wrong = {"users": [{"name": "ops", "passwd": [SECRET]}], "package_update": SECRET}
    tasks = [
        {MODULE: {"path": str(tmp_path / "a.iso"), "user_data": {"write_files": [{"path": SECRET}]}, **more}}
        for more in (
            {"vendor_data": USER_DATA, "meta_data": {"key": SECRET}, "network_config": {"version": 2, "x": SECRET}},
            {"user_data": broken},
            {"user_data": wrong, "schema": "require"},
            {"user_data": wrong},
            {"user_data": [SECRET]},
            {"user_data": {"write_files": [{"path": "/a", "content": SECRET.encode()}]}},
        )
    ]
    playbook = tmp_path / "play.yml"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "ignore_errors": True, "tasks": tasks}
    # In YAML the bytes are !!binary; on one line, of which Ansible's errors show the beginning alone.
    playbook.write_text(yaml.safe_dump([play], default_flow_style=True, width=1_000_000))
    for options in ((), ("--check", "--diff", "-vvvv")):
        played = run_playbook(str(playbook), *options, environ=cloud_init)
        assert SECRET not in json.dumps(played.results)
        assert SECRET not in played.output
        assert [bool(result.get("failed")) for result in played.results] == [False, True, True, False, True, True]
        assert (
            "user_data is no YAML: line 3, column 1: expected ',' or ']', but got '<scalar>'. Correct"
            in played.results[1]["msg"]
        )
        assert "package_update: … is not of type 'boolean'" in played.results[2]["msg"]
        assert "user_data.write_files[0].content is neither text nor" in played.results[5]["msg"]
    assert SECRET.encode() in (tmp_path / "a.iso").read_bytes()


def test_the_schema_of_cloud_init(tmp_path: Path, cloud_init: dict[str, str]) -> None:
    def made(user_data: t.Any, schema: str, **more: t.Any) -> Result:
        return run_module(
            MODULE, environ=cloud_init, path=str(tmp_path / "a"), user_data=user_data, schema=schema, **more
        )

    wrong = {"ntp": {"servers": "here"}, "package_update": False}
    said = "ntp.servers: … is not of type 'array'"
    refused = made(wrong, "require")
    assert f"user-data does not agree with the schema of this host's cloud-init: {said}" in refused["msg"]
    assert not (tmp_path / "a").exists()
    warned = made(wrong, "auto", network_config=NETWORK, vendor_data=USER_DATA)
    assert warned["changed"]
    assert warned["schema"] == {"checked": ["user-data", "vendor-data"], "errors": {"user-data": said}}
    assert any(said in warning for warning in warned["warnings"])
    silent = made(wrong, "off")
    assert silent["schema"] == {"checked": [], "errors": {}}
    assert "warnings" not in silent
    assert made({"package_update": False}, "require")["schema"] == {"checked": ["user-data"], "errors": {}}
    assert made("#!/bin/sh\ntrue", "require")["schema"] == {"checked": [], "errors": {}}


@pytest.mark.parametrize("state", ["present", "absent"])
def test_killed_while_it_publishes(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """What is left holds secrets, beside the images; the next run takes it away, whatever that is to bring about."""
    path = tmp_path / "web-1.iso"
    defaults = {name: option.get("default") for name, option in seed_argument_spec().items()}
    options = {**defaults, "path": str(path), "user_data": USER_DATA, "schema": "off"}

    def killed(*dummy: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as context:
        context.setattr(os, "replace", killed)
        fork = multiprocessing.get_context("fork")
        child = fork.Process(target=make_seed, args=(host, options, False, Unattributed()))
        child.start()
        child.join()
    assert child.exitcode == -signal.SIGKILL
    (left,) = (left for left in tmp_path.iterdir() if left.name.startswith(".web-1.iso."))
    assert SECRET.encode() in left.read_bytes()

    make_seed(host, {**options, "state": state}, True, Unattributed())
    assert left.exists()
    result = make_seed(host, {**options, "state": state}, False, Unattributed())
    assert result["changed"] is path.exists() is (state == "present")
    assert [found.name for found in tmp_path.iterdir() if found.name.startswith(".")] == []


def test_what_is_no_seed_is_left_alone(tmp_path: Path, host: LocalHost) -> None:
    disk = tmp_path / "disk.qcow2"
    disk.write_bytes(b"QFI\xfb" + b"\0" * 100_000)
    other = tmp_path / "other.iso"
    (tmp_path / "empty").mkdir()
    make = [
        "xorriso",
        "-no_rc",
        "-as",
        "mkisofs",
        "-quiet",
        "-V",
        "INSTALLER",
        "-o",
        str(other),
        str(tmp_path / "empty"),
    ]
    subprocess.run(make, check=True, capture_output=True)
    os.mkfifo(tmp_path / "pipe")
    before = disk.read_bytes(), other.read_bytes()
    paths = (disk, other, tmp_path / "pipe", tmp_path)
    tasks = [{MODULE: {"path": str(path), "state": state}} for path in paths for state in ("present", "absent")]
    for task, result in zip(tasks, run_tasks(tasks, ignore_errors=True)):
        assert f"{task[MODULE]['path']} is there, and is no seed" in result["msg"]
    assert before == (disk.read_bytes(), other.read_bytes())


def test_seeds_of_other_programs_and_links(tmp_path: Path, host: LocalHost) -> None:
    """A seed without Joliet cannot be compared; it is a seed all the same. A link stays one."""
    files, seed, link = tmp_path / "files", tmp_path / "seed.iso", tmp_path / "link.iso"
    files.mkdir()
    (files / "user-data").write_text("#cloud-config\n")
    make = ["xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-V", "cidata", "-o", str(seed), str(files)]
    subprocess.run(make, check=True, capture_output=True)
    link.symlink_to(seed)
    found = read_iso(str(seed))
    assert found and found.files is None
    written, again = run_tasks([{MODULE: {"path": str(link)}}] * 2)
    assert (written["changed"], again["changed"], written["path"]) == (True, False, str(seed))
    assert link.is_symlink()
    found = read_iso(str(seed))
    assert found and found.files and b'instance-id: "link"' in found.files["meta-data"]


def test_a_host_without_xorriso(tmp_path: Path) -> None:
    for program in Path("/usr/bin").iterdir():
        if program.name != "xorriso":
            (tmp_path / program.name).symlink_to(program)
    environ = {"PATH": str(tmp_path)}
    path = tmp_path / "missing" / "seed.iso"
    checked = run_module(MODULE, "--check", environ=environ, path=str(path), group="no-such-group")
    assert checked["changed"]
    assert "xorriso is not installed: writing the seed needs it. Install the package xorriso" in checked["warnings"]
    assert f"{path.parent} is not there: writing the seed needs it" in checked["warnings"]
    assert any("does not know the group no-such-group" in warning for warning in checked["warnings"])
    checked = run_module(MODULE, "--check", path="/proc/self/seed.iso", mode="rw")
    assert any("does not know the mode rw" in warning for warning in checked["warnings"])
    refused = run_module(MODULE, environ=environ, path=str(tmp_path / "seed.iso"))
    assert refused["msg"] == "the program xorriso is not installed on this host. Install the package xorriso."
    refused = run_module(MODULE, path=str(path))
    assert refused["msg"] == f"{path.parent} is not there. Make it, or choose another directory."


def test_a_directory_that_cannot_be_written(tmp_path: Path, host: LocalHost) -> None:
    defaults = {name: option.get("default") for name, option in seed_argument_spec().items()}
    params = {**defaults, "path": str(tmp_path / "small" / "seed.iso")}
    with small_file_system(tmp_path / "small", "1m"):
        subprocess.run(["mount", "-o", "remount,ro", tmp_path / "small"], check=True)
        assert make_seed(host, params, True, Unattributed())["changed"]
        assert host.warnings == [f"{tmp_path}/small cannot be written by this user: writing the seed needs that"]
        with pytest.raises(StoreError, match="cannot be written: Read-only file system"):
            make_seed(host, params, False, Unattributed())


def test_options_that_are_wrong(tmp_path: Path) -> None:
    tasks: list[dict[str, t.Any]] = [{MODULE: {}}, {MODULE: {"path": str(tmp_path / "a"), "user_data": "a: 1"}}]
    tasks += [
        {MODULE: {"path": path, "state": state}}
        for path, state in (("", "present"), ("a/", "absent"), ("a" * 241, "present"))
    ]
    missing, headless, *misnamed = run_tasks(tasks, ignore_errors=True)
    assert "missing required arguments: path" in missing["msg"]
    assert "does not begin with a line that tells cloud-init what it is" in headless["msg"]
    assert [found["msg"].partition(". ")[0] for found in misnamed] == [
        "path is empty",
        "path is a directory: a/",
        "path has too long a name",
    ]


def test_a_file_that_could_not_be_compared(tmp_path: Path, host: LocalHost) -> None:
    defaults = {name: option.get("default") for name, option in seed_argument_spec().items()}
    script = "#!/bin/sh\n".ljust(LARGEST_FILE - 1) + "\n"
    params = {**defaults, "path": str(tmp_path / "seed.iso"), "user_data": script}
    for check_mode in (True, False):
        with pytest.raises(BadRequestError, match=r"^user-data has .* and a seed's files have 16 MiB at the most"):
            make_seed(host, {**params, "user_data": f"{script}\n"}, check_mode, Unattributed())
    assert [make_seed(host, params, False, Unattributed())["changed"] for dummy in range(2)] == [True, False]


@pytest.mark.parametrize("version", ["newest", "oldest"])
def test_values_that_stand_encrypted_in_the_task(tmp_path: Path, version: str) -> None:
    """And others of which Ansible keeps where they come from, in a play of YAML."""
    if version == "oldest":
        setup.make_virtualenv(OLDEST_VENV, "oldest")
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    sealed = VaultLib([("default", VaultSecret(b"open sesame"))]).encrypt(SECRET.encode(), VaultSecret(b"open sesame"))
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        f"""
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    name: web-1
    number: 7
    key: !vault |
{textwrap.indent(sealed.decode(), " " * 6)}
  tasks:
    - goldsmith.kvm.seed_iso:
        path: {tmp_path}/{{{{ name }}}}.iso
        local_hostname: "{{{{ name }}}}"
        meta_data: {{key: "{{{{ key }}}}"}}
        user_data:
          when: 1.5
          some: ["{{{{ number }}}}", true, null]
          key: !vault |
{textwrap.indent(sealed.decode(), " " * 12)}
"""
    )
    written, again = (
        run_playbook(
            str(playbook),
            *("--diff", "-vvv", "--vault-password-file", str(password)),
            ansible_playbook=OLDEST_VENV / "bin" / "ansible-playbook" if version == "oldest" else PLAYBOOK,
        )
        for dummy in range(2)
    )
    assert (written.results[0]["changed"], again.results[0]["changed"]) == (True, False)
    assert SECRET not in written.output
    volume = read_iso(str(tmp_path / "web-1.iso"))
    assert volume and volume.files
    user_data = yaml.safe_load(volume.files["user-data"])
    assert user_data == {"when": 1.5, "some": [user_data["some"][0], True, None], "key": SECRET}
    assert str(user_data["some"][0]) == "7"
    assert yaml.safe_load(volume.files["meta-data"]) == {
        "instance-id": "web-1",
        "key": SECRET,
        "local-hostname": "web-1",
    }
