# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of apt: what they refuse, and that no value becomes more than a value."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Operation, Run, Write
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBA==\n-----END PGP PUBLIC KEY BLOCK-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
DIGEST = "AB" * 32
REPOSITORY: dict[str, t.Any] = {
    "name": "docker",
    "uris": ["https://download.docker.com/linux/ubuntu"],
    "suites": ["noble"],
    "components": ["stable"],
    "key": KEY,
}

any_text = st.text(
    st.sampled_from(list("'\"$`\\ ;&|<>()#*?!~-\t%{}[]:,=/\n\r\0ä@")) | st.characters(exclude_categories=["Cs"]),
    max_size=30,
)


def operations(kind: str, options: dict[str, t.Any], **paths: str) -> tuple[Operation, ...]:
    (step,) = parse_steps([{kind: options}])
    return step.operations(paths).operations


def finishing(kind: str, options: dict[str, t.Any], **paths: str) -> tuple[Operation, ...]:
    (step,) = parse_steps([{kind: options}])
    return step.finishing(paths).operations


def run_of(kind: str, options: dict[str, t.Any], **paths: str) -> Run:
    run = operations(kind, options, **paths)[0]
    assert isinstance(run, Run)
    return run


def repository(**options: t.Any) -> dict[str, t.Any]:
    return {name: value for name, value in {**REPOSITORY, **options}.items() if value is not None}


@pytest.mark.parametrize(
    ("kind", "options", "cause"),
    [
        ("packages", {}, "there is nothing to do"),
        ("packages", {"install": ["-o=x"]}, "not the name of a package"),
        ("packages", {"install": ["a b"]}, "not the name of a package"),
        ("packages", {"install": ["nginx\n"]}, "not the name of a package"),
        ("packages", {"purge": ["näme"]}, "purge has"),
        ("packages", {"hold": ["nginx=1"]}, "hold has 'nginx=1'"),
        ("packages", {"install": ["nginx"], "purge": ["nginx"]}, "nginx cannot be both installed and purged"),
        ("packages", {"hold": ["nginx"], "unhold": ["nginx"]}, "nginx cannot be both held and not"),
        ("apt_repository", repository(name="a/b"), "cannot be the name of a file of apt"),
        ("apt_repository", repository(name="../b"), "cannot be the name of a file of apt"),
        ("apt_repository", repository(name=""), "cannot be the name of a file of apt"),
        ("apt_repository", repository(uris=[]), "needs uris and suites"),
        ("apt_repository", repository(uris=["http://a b"]), "uris is not a URI"),
        ("apt_repository", repository(uris=["http://a\nTrusted: yes"]), "uris is not a URI"),
        ("apt_repository", repository(uris=["http:///x"]), "uris names no host"),
        ("apt_repository", repository(uris=["http://[::1/x"]), "uris is not a URI"),
        ("apt_repository", repository(uris=["ssh://a/b"]), "uris is not a URI"),
        ("apt_repository", repository(uris=["http://ä/"]), "uris is not a URI"),
        ("apt_repository", repository(suites=["noble\nTrusted: yes"]), "suites has"),
        ("apt_repository", repository(suites=["./"]), "ends in a slash"),
        ("apt_repository", repository(components=[]), "components is missing"),
        ("apt_repository", repository(components=["main #"]), "components has"),
        ("apt_repository", repository(architectures=["amd64,i386"]), "architectures has"),
        ("apt_repository", repository(key=None), "exactly one of key, key_src, key_url, signed_by, and has none"),
        ("apt_repository", repository(key_src="a"), "and has key, key_src"),
        ("apt_repository", repository(key="-----BEGIN PGP PRIVATE KEY BLOCK-----"), "key holds a private key"),
        ("apt_repository", repository(key="docker.asc"), "not an armored OpenPGP public key"),
        ("apt_repository", repository(key=None, key_url="https://a/k"), "key_checksum is not the SHA-256"),
        ("apt_repository", repository(key=None, key_url="file:///k", key_checksum=DIGEST), "key_url is not a URI"),
        ("apt_repository", repository(key_checksum=DIGEST), "key_checksum is for key_url"),
        ("apt_repository", repository(key=None, signed_by="/a b"), "signed_by is not a path"),
        ("apt_repository", repository(pin_priority=0), "pin_priority is not one"),
        ("apt_repository", repository(pin_priority=40000), "pin_priority is not one"),
        ("apt_repository", repository(pin="release o=x"), "pin is for pin_priority"),
        ("apt_repository", repository(pin_priority=1, pin="o=x"), "pin is not one"),
        ("apt_repository", repository(pin_priority=1, pin="release o=x\nPin-Priority: 9"), "pin is not one"),
        ("apt_repository", repository(pin_priority=1, pin_packages=["a\nb"]), "pin_packages has"),
        ("apt_repository", {"name": "x", "state": "absent", "key": KEY}, "key cannot be given"),
        ("deb", {"src": []}, "src is empty"),
        ("deb", {"src": ["a\nb"]}, "one line"),
        ("apt_proxy", {"http": "proxy:3128"}, "http is not a URI"),
        ("apt_proxy", {"http": 'http://a";'}, "http is not a URI"),
        ("apt_proxy", {"http": "http://proxy", "direct": ["a:80"]}, "direct has 'a:80'"),
        ("apt_proxy", {"direct": ["a"]}, "required"),
        ("apt_mirror", {"uri": "mirror.example"}, "uri is not a URI"),
        ("apt_mirror", {"uri": "http://a/", "security_uri": "http://"}, "security_uri names no host"),
        ("unattended_upgrades", {"origins": []}, "origins is empty"),
        ("unattended_upgrades", {"origins": ["Docker"]}, "origins has 'Docker'"),
        ("unattended_upgrades", {"origins": ['origin=a"; X "']}, "origins has"),
        ("unattended_upgrades", {"blacklist": ['"']}, "blacklist has"),
        ("unattended_upgrades", {"automatic_reboot_time": "2:00"}, "automatic_reboot_time is not a time"),
        ("unattended_upgrades", {"automatic_reboot_time": 120}, "automatic_reboot_time is not a time"),
        ("unattended_upgrades", {"mail": "a b"}, "mail is not"),
        ("unattended_upgrades", {"upgrade_days": -1}, "upgrade_days has to be at least 0"),
        ("ca_certificates", {"src": []}, "there is no certificate"),
        ("ca_certificates", {"content": ["/etc/ssl/x.pem"]}, "no certificate in the PEM format"),
        ("ca_certificates", {"content": [CERTIFICATE + "-----BEGIN PRIVATE KEY-----"]}, "content has a private key"),
        ("ca_certificates", {"content": [CERTIFICATE], "names": ["a/b"]}, "cannot be the name of a certificate"),
        ("ca_certificates", {"content": [CERTIFICATE], "names": ["a", "b"]}, "2 names for 1 certificates"),
        ("ca_certificates", {"src": ["a/x.bundle-1.pem"]}, "is for those of one file"),
        ("ca_certificates", {"src": ["a/x.pem", "b/x.crt"]}, "two certificates are called x"),
    ],
)
def test_what_is_refused(kind: str, options: dict[str, t.Any], cause: str) -> None:
    with pytest.raises(BadRequestError, match=re.escape(cause)):
        parse_steps([{kind: options}])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("apt_repository", repository(uris=["https://user:geheim@apt.example.com/"])),
        ("apt_proxy", {"http": "http://user:geheim@proxy.example.com/"}),
        ("apt_mirror", {"uri": "http://user:geheim@mirror.example.com/"}),
    ],
)
def test_a_password_is_refused_and_not_repeated(kind: str, options: dict[str, t.Any]) -> None:
    with pytest.raises(BadRequestError, match="password") as caught:
        parse_steps([{kind: options}])
    assert "geheim" not in str(caught.value)


SCRIPTS: list[tuple[str, dict[str, t.Any], dict[str, str]]] = [
    ("packages", {"install": ["g++"], "remove": ["a.b"], "purge": ["cd"], "hold": ["ef"], "unhold": ["gh"]}, {}),
    ("packages", {"upgrade": "dist", "autoremove": True}, {}),
    ("apt_repository", repository(), {}),
    ("apt_repository", repository(key=None, key_url="https://a/k'x", key_checksum=DIGEST, pin_priority=1), {}),
    ("apt_repository", repository(key=None, key_src="k"), {"key_src": "/store/1"}),
    ("apt_repository", repository(key=None, signed_by="/usr/share/keyrings/it's.gpg"), {}),
    ("apt_repository", {"name": "x", "state": "absent"}, {}),
    ("deb", {"src": ["a.deb", "b.deb"]}, {"src.0": "/store/1", "src.1": "/store/2"}),
    ("apt_mirror", {"uri": "https://mirror.example/it's&#"}, {}),
    ("apt_mirror", {"uri": "https://mirror.example/", "for_good": True}, {}),
    ("unattended_upgrades", {}, {}),
    ("ca_certificates", {"content": [CERTIFICATE, CERTIFICATE + "\n#"]}, {}),
    ("kernel", {"package": "linux-image-virtual", "remove_others": True, "hold": True}, {}),
    ("kernel", {"version": "6.8.0-45-generic", "default": False}, {}),
    ("kernel_cmdline", {"append": ["a=b"], "remove": ["quiet"]}, {}),
    ("kernel_cmdline", {"remove": ["quiet"]}, {}),
]


@pytest.mark.parametrize(("kind", "options", "paths"), SCRIPTS)
def test_scripts_are_posix_shell(kind: str, options: dict[str, t.Any], paths: dict[str, str]) -> None:
    both = (*operations(kind, options, **paths), *finishing(kind, options, **paths))
    for script in [operation.script for operation in both if isinstance(operation, Run)]:
        # SC2043: a loop over one word, where there are several as a rule. SC2034: what only some of the steps look at.
        argv = ["shellcheck", "--shell=sh", "--severity=warning", "--exclude=SC2043,SC2034", "-"]
        done = subprocess.run(argv, input=f"FILES=/files\n{script}", text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout


def fields(text: str) -> list[list[str]]:
    """The names of the fields in each paragraph of deb822."""
    return [[line.partition(":")[0] for line in paragraph.splitlines()] for paragraph in text.strip().split("\n\n")]


@settings(max_examples=200)
@given(uri=any_text, suite=any_text, component=any_text, architecture=any_text, pinned=any_text, pin=any_text)
@example(uri="a", suite="x\nTrusted: yes", component="main", architecture="amd64", pinned="*", pin="o=x")
def test_no_value_makes_a_field(uri: str, suite: str, component: str, architecture: str, pinned: str, pin: str) -> None:
    for options in (
        repository(uris=[f"http://a/{uri}"]),
        repository(suites=[suite]),
        repository(components=[component]),
        repository(architectures=[architecture]),
        repository(pin_priority=1, pin_packages=[pinned]),
        repository(pin_priority=1, pin=f"release {pin}"),
    ):
        try:
            contents = run_of("apt_repository", options).contents
        except BadRequestError:
            continue
        names = ["Types", "URIs", "Suites", "Components", "Signed-By"]
        assert fields(contents["sources"]) in ([names], [[*names[:4], "Architectures", "Signed-By"]])
        if "pins" in contents:
            assert fields(contents["pins"]) == [["Package", "Pin", "Pin-Priority"]]


@settings(max_examples=60, deadline=None)
@given(proxy=any_text, host=any_text, origin=any_text, blacklisted=any_text)
def test_no_value_leaves_its_quotes_in_apts_configuration(proxy: str, host: str, origin: str, blacklisted: str) -> None:
    candidates = [
        ("apt_proxy", {"http": f"http://a/{proxy}"}, {"Acquire::http::Proxy"}),
        ("apt_proxy", {"https": "DIRECT", "direct": [host]}, {"Acquire::http::Proxy", "Acquire::https::Proxy"}),
        ("unattended_upgrades", {"origins": [f"origin={origin}"]}, set()),
        ("unattended_upgrades", {"blacklist": [blacklisted]}, set()),
    ]
    for kind, options, expected in candidates:
        try:
            (*dummy, written) = operations(kind, options)
        except BadRequestError:
            continue
        assert isinstance(written, Write)
        for line in written.content.splitlines():
            if not line.startswith(("//", "#clear", "}")) and not line.endswith(" {"):
                assert re.fullmatch(r'(?: {4}|[A-Za-z:.0-9-]+ )"[^"\\\n]*";', line)
        if expected:
            assert {line.split(" ")[0] for line in written.content.splitlines()} <= {
                *expected,
                *(f"{name}::{host}" for name in ("Acquire::http::Proxy", "Acquire::https::Proxy")),
            }


def test_apt_reads_what_is_written(tmp_path: Path) -> None:
    if shutil.which("apt-config") is None:
        pytest.skip("no apt-config on this host")
    (*dummy, written) = operations(
        "unattended_upgrades", {"origins": ["origin=A B,label=${distro_id} x"], "mail": "ops"}
    )
    assert isinstance(written, Write)
    before = 'Unattended-Upgrade::Allowed-Origins { "a:b"; };\nUnattended-Upgrade::Origins-Pattern { "origin=c"; };\n'
    (tmp_path / "apt.conf").write_text(before + written.content)
    environ = {**os.environ, "APT_CONFIG": str(tmp_path / "apt.conf")}
    dump = subprocess.run(["apt-config", "dump"], env=environ, capture_output=True, text=True, check=True).stdout
    patterns = [line for line in dump.splitlines() if re.match(r"Unattended-Upgrade::(Allowed-)?Origins.*::", line)]
    assert patterns == ['Unattended-Upgrade::Origins-Pattern:: "origin=A B,label=${distro_id} x";']
    assert 'Unattended-Upgrade::Mail "ops";' in dump


uris = st.from_regex(r"https?://[a-z]{1,5}(\.[a-z]{2})?(/[!#$%&'()*+,./0-9:;=?@A-Z_a-z~-]{0,12})?", fullmatch=True)


@settings(max_examples=25, deadline=None)
@given(uri=uris)
@example(uri="http://archive.ubuntu.com/ubuntu")
@example(uri="http://m/&\\1#g")
def test_the_mirror_takes_the_place_of_the_archives_and_of_nothing_else(uri: str) -> None:
    """The substitution with the real sed, on files of its own."""
    try:
        script = run_of("apt_mirror", {"uri": uri, "for_good": True}).script
    except BadRequestError:
        return
    archives = [
        "http://archive.ubuntu.com/ubuntu",
        "http://ports.ubuntu.com/ubuntu-ports/",
        "https://deb.debian.org/debian",
    ]
    others = [
        "http://xarchive.ubuntu.com/ubuntu",
        "http://deb.debian.org/debian-security",
        "http://deb.debian.org/debianx",
    ]
    with tempfile.TemporaryDirectory() as directory:
        sources = Path(directory, "sources.list")
        sources.write_text(" ".join([*archives, *others, *archives]) + "\n#" + archives[0] + "\n")
        script = script.replace("/etc/apt/sources.list ", f"{sources} ").replace("/etc/apt/", f"{directory}/none/")
        subprocess.run(["sh", "-eu", "-c", script], check=True, capture_output=True)
        new = uri.rstrip("/")
        assert sources.read_text() == " ".join([*[new] * 3, *others, *[new] * 3]) + "\n#" + archives[0] + "\n"


def test_what_is_for_the_build_only_is_ended() -> None:
    for kind, options in (("apt_proxy", {"http": "http://proxy"}), ("apt_mirror", {"uri": "http://mirror/debian"})):
        assert finishing(kind, options)
        assert not finishing(kind, {**options, "for_good": True})


def test_only_what_fetches_needs_the_network() -> None:
    assert not run_of("apt_repository", repository()).network
    assert run_of("apt_repository", repository(key=None, key_url="https://a/k", key_checksum=DIGEST)).network
    assert not run_of("packages", {"hold": ["nginx"], "purge": ["snapd"]}).network


def test_names_of_certificates() -> None:
    (step,) = parse_steps([{"ca_certificates": {"src": ["/a/Our Root CA.v2.pem", "b.crt"]}}])
    assert step.options["names"] == ["Our_Root_CA.v2", "b"]
    (step,) = parse_steps([{"ca_certificates": {"content": [CERTIFICATE]}}])
    (name,) = step.options["names"]
    assert re.fullmatch(r"goldsmith-[0-9a-f]{12}", name)
