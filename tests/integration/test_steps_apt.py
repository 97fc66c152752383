# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of apt where something is not as it should be, in the test base image's userland."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.tests.fixtures.apt_repository import LOCAL, LOCAL_TOO, build_package
from ansible_collections.goldsmith.kvm.tests.fixtures.authority import make_authority
from ansible_collections.goldsmith.kvm.tests.fixtures.programs import run
from ansible_collections.goldsmith.kvm.tests.integration.chroot import Chroot, StepFailedError
from ansible_collections.goldsmith.kvm.tests.integration.promises import Place

pytestmark = pytest.mark.slow

Steps = list[dict[str, t.Any]]
UBUNTU = """\
Types: deb
uris:http://nova.clouds.archive.ubuntu.com/ubuntu/ http://archive.ubuntu.com/ubuntu https://example.com/ubuntu/
Suites: noble noble-updates
Components: main

Types: deb
URIs: http://security.ubuntu.com/ubuntu
Suites: noble-security
Components: main
"""
DEBIAN = """\
# deb http://deb.debian.org/debian bookworm main
deb [arch=amd64] http://deb.debian.org/debian bookworm main
deb-src\thttp://ftp.de.debian.org/debian/ bookworm main
deb http://security.debian.org/debian-security bookworm-security main
deb http://deb.debian.org/debian-security/ bookworm-security main
deb http://deb.debian.org/debian-ports sid main
"""


@pytest.fixture(name="chroot")
def fixture_chroot(lower: dict[str, Path], tmp_path: Path) -> Iterator[Chroot]:
    with Chroot.over(lower, tmp_path / "chroot") as chroot:
        yield chroot


def repository(place: Place, **options: t.Any) -> dict[str, t.Any]:
    given = {"name": "tests", "uris": [place.apt_url], "suites": ["stable"], "components": ["main"], **options}
    return {"apt_repository": given if "key" in options else {"key_src": str(place.keys.apt.armored), **given}}


def failure(chroot: Chroot, steps: Steps) -> str:
    """The end of what the step that fails prints."""
    with pytest.raises(StepFailedError) as caught:
        chroot.apply(steps)
    return str(caught.value)[-2000:]


def write(chroot: Chroot, path: str, content: str) -> Path:
    file = chroot.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"install": ["nothing-of-this-name"]}, ["E: Unable to locate package nothing-of-this-name", "apt_repository"]),
        ({"install": ["goldsmith-hello=9"]}, ["E: Version '9' for 'goldsmith-hello' was not found", "apt_repository"]),
        ({"install": ["goldsmith.hello"]}, ["E: Unable to locate package goldsmith.hello", "apt_repository"]),
        ({"install": ["goldsmith-hell+"]}, ["E: Unable to locate package goldsmith-hell", "apt_repository"]),
        ({"hold": ["goldsmith.hello"]}, ["Unable to locate package goldsmith.hello", "cannot be held"]),
        ({"hold": ["nothing-of-this-name"]}, ["Unable to locate package nothing-of-this-name", "cannot be held"]),
    ],
)
def test_a_package_that_does_not_exist(
    options: dict[str, t.Any], told: list[str], chroot: Chroot, place: Place
) -> None:
    said = failure(chroot, [repository(place), {"packages": options}])
    for text in told:
        assert text in said


def test_a_package_that_is_not_there_need_not_be_removed(chroot: Chroot) -> None:
    chroot.apply([{"packages": {"remove": ["snapd", "nano"], "purge": ["landscape-client:amd64"]}}])
    assert "snapd is not installed" in chroot.output[-1]
    assert not (chroot.root / "bin/nano").exists()


def test_a_repository_with_the_key_of_another(chroot: Chroot, place: Place) -> None:
    wrong = repository(place, key=place.keys.untrusted.armored.read_text())
    said = failure(chroot, [wrong, {"packages": {"install": ["goldsmith-hello"]}}])
    assert f"{place.apt_url} stable InRelease" in said
    assert f"NO_PUBKEY {place.keys.apt.fingerprint[-16:]}" in said
    assert "apt-get update failed" in said


def test_a_key_fetched_that_is_not_the_one(chroot: Chroot, place: Place) -> None:
    source = {"uris": [place.apt_url], "suites": ["stable"], "components": ["main"]}
    said = failure(
        chroot,
        [{"apt_repository": {"name": "x", **source, "key_url": f"{place.apt_url}/key.asc", "key_checksum": "0" * 64}}],
    )
    assert "Hash Sum mismatch" in said
    assert "is not the one that key_checksum is of" in said
    assert list((chroot.root / "etc/apt").glob("*/x*")) == []


def test_what_is_no_public_key(chroot: Chroot, place: Place) -> None:
    public = place.keys.apt.armored.read_bytes()
    with place.keys.session() as home:
        export = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
        secret = run([*export, "--export-secret-keys", place.keys.apt.fingerprint])
        armored = run([*export, "--armor", "--export-secret-keys", place.keys.apt.fingerprint])
    for content, told in (
        (secret, "is a private one"),
        (armored, "is a private one"),
        (b"<html>404</html>\n", "is not an OpenPGP public key"),
        (b"", "is not an OpenPGP public key"),
        (public.replace(b"\n", b"!\n", 5), "is not an OpenPGP public key"),
    ):
        said = failure(chroot, [repository(place, key_src=place.file("no-key", content))])
        assert told in said
        assert list((chroot.root / "etc/apt").glob("*/tests*")) == []


def test_several_keys_in_one_file_with_line_ends_of_windows(chroot: Chroot, place: Place) -> None:
    both = place.keys.untrusted.armored.read_text() + "\n" + place.keys.apt.armored.read_text()
    key = place.file("both.asc", "a comment\r\n" + both.replace("\n", "\r\n"))
    chroot.apply([repository(place, key_src=key), {"packages": {"install": ["goldsmith-hello"]}}])
    keyring = place.keys.untrusted.binary.read_bytes() + place.keys.apt.binary.read_bytes()
    assert (chroot.root / "etc/apt/keyrings/tests.gpg").read_bytes() == keyring


def test_pinning(chroot: Chroot, place: Place) -> None:
    pinned = repository(place, pin_priority=-1, pin_packages=["goldsmith-*"])
    said = failure(chroot, [pinned, {"packages": {"install": ["goldsmith-hello"]}}])
    assert "Package 'goldsmith-hello' has no installation candidate" in said


def test_files_of_packages(chroot: Chroot, place: Place) -> None:
    directory = place.directory / "files-of-packages"
    needed, needs = (str(build_package(package, directory)) for package in (LOCAL_TOO, LOCAL))
    # Without the repository, which has what they depend on.
    said = failure(chroot, [{"deb": {"src": [needs, needed]}}])
    assert "goldsmith-local : Depends: goldsmith-hello-common but it is not installable" in said
    said = failure(chroot, [repository(place), {"deb": {"src": [needed, place.file("no.deb", "<html>")]}}])
    assert "file 2 of src is not a Debian package" in said
    chroot.apply([repository(place), {"deb": {"src": [needs, needed]}}])
    assert "goldsmith-local\t1.0" in chroot.output[-1]
    # apt warns where its own user cannot read a file.
    assert "W: " not in chroot.output[-1]
    assert "unsandboxed" not in chroot.output[-1]


def test_a_mirror_for_the_build_and_for_good(chroot: Chroot) -> None:
    ubuntu = write(chroot, "etc/apt/sources.list.d/ubuntu.sources", UBUNTU)
    debian = write(chroot, "etc/apt/sources.list", DEBIAN)
    mirrors = write(chroot, "etc/apt/mirrors/debian.list", "https://deb.debian.org/debian\n")
    os.chmod(ubuntu, 0o640)
    mirror = {"uri": "https://mirror.example/a&b/", "security_uri": "file:/srv/#1"}
    show = {"run_command": {"command": "cat /etc/apt/sources.list.d/ubuntu.sources /etc/apt/sources.list"}}
    chroot.apply([{"apt_mirror": mirror}, show])
    during = chroot.output[-2]
    assert (ubuntu.read_text(), debian.read_text()) == (UBUNTU, DEBIAN)
    assert mirrors.read_text() == "https://deb.debian.org/debian\n"
    assert ubuntu.stat().st_mode & 0o777 == 0o640
    chroot.apply([{"apt_mirror": {**mirror, "for_good": True}}])
    assert ubuntu.read_text() + debian.read_text() == during
    assert (
        ubuntu.read_text()
        == """\
Types: deb
uris:https://mirror.example/a&b https://mirror.example/a&b https://example.com/ubuntu/
Suites: noble noble-updates
Components: main

Types: deb
URIs: file:/srv/#1
Suites: noble-security
Components: main
"""
    )
    assert (
        debian.read_text()
        == """\
# deb http://deb.debian.org/debian bookworm main
deb [arch=amd64] https://mirror.example/a&b bookworm main
deb-src\thttps://mirror.example/a&b bookworm main
deb file:/srv/#1 bookworm-security main
deb file:/srv/#1 bookworm-security main
deb http://deb.debian.org/debian-ports sid main
"""
    )
    assert mirrors.read_text() == "https://mirror.example/a&b\n"
    assert ubuntu.stat().st_mode & 0o777 == 0o640
    # All of it is as it should be.
    chroot.apply([{"apt_mirror": {**mirror, "for_good": True}}])
    assert not (chroot.root / "var/lib/goldsmith-apt-mirror").exists()


def test_a_mirror_that_cannot_be(chroot: Chroot) -> None:
    mirror = {"apt_mirror": {"uri": "https://mirror.example/debian"}}
    assert "none of the image's sources for apt names an archive" in failure(chroot, [mirror])
    write(chroot, "etc/apt/sources.list", DEBIAN)
    (chroot.root / "var/lib/goldsmith-apt-mirror").rmdir()
    change = {"run_command": {"command": "echo >>/etc/apt/sources.list", "network": False}}
    said = failure(chroot, [mirror, change])
    assert "/etc/apt/sources.list was changed by a step after apt_mirror" in said


def test_two_mirrors(chroot: Chroot) -> None:
    write(chroot, "etc/apt/sources.list", DEBIAN)
    mirrors = [{"apt_mirror": {"uri": f"https://{name}.example/debian"}} for name in "ab"]
    assert "another step apt_mirror is at work" in failure(chroot, mirrors)


def apt_configuration(chroot: Chroot) -> list[str]:
    """The lines of apt-config dump that tell of unattended upgrades."""
    chroot.apply([{"run_command": {"command": "apt-config dump", "network": False}}])
    return [line for line in chroot.output[-1].splitlines() if line.startswith(("Unattended-Upgrade", "APT::Periodic"))]


def test_unattended_upgrades_within_bounds_whatever_was_said_before(chroot: Chroot) -> None:
    upgrades = {"origins": ["origin=Docker,label=Docker CE"], "blacklist": ["linux-"], "automatic_reboot_time": "03:30"}
    chroot.apply([{"disable_unattended_upgrades": {}}, {"unattended_upgrades": upgrades}])
    lines = apt_configuration(chroot)
    assert [line for line in lines if "Origins" in line and '""' not in line] == [
        'Unattended-Upgrade::Origins-Pattern:: "origin=Docker,label=Docker CE";'
    ]
    assert [line for line in lines if "Blacklist::" in line] == ['Unattended-Upgrade::Package-Blacklist:: "linux-";']
    for line in (
        'APT::Periodic::Enable "1";',
        'APT::Periodic::Unattended-Upgrade "1";',
        'Unattended-Upgrade::Automatic-Reboot "false";',
        'Unattended-Upgrade::Automatic-Reboot-Time "03:30";',
    ):
        assert line in lines
    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service"):
        assert not (chroot.root / "etc/systemd/system" / unit).is_symlink()
    assert (chroot.root / "etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer").is_symlink()
    chroot.apply([{"disable_unattended_upgrades": {}}])
    assert 'APT::Periodic::Enable "0";' in apt_configuration(chroot)


def test_unattended_upgrades_that_are_not_installed(chroot: Chroot) -> None:
    steps: Steps = [{"packages": {"purge": ["unattended-upgrades"]}}, {"unattended_upgrades": {}}]
    assert "unattended-upgrades is not installed in the image" in failure(chroot, steps)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n", "root has a private key"),
        ("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", "certificate 1 of root is damaged"),
        ("<html>404</html>\n", "root is not a certificate"),
    ],
)
def test_what_is_no_certificate(content: str, told: str, chroot: Chroot, place: Place) -> None:
    said = failure(chroot, [{"ca_certificates": {"src": [place.file("no-certificate/root.pem", content)]}}])
    assert told in said


def test_certificates_that_take_the_place_of_others(chroot: Chroot, tmp_path: Path) -> None:
    """A bundle replaces itself, and leaves alone what only begins like it."""
    old, new, other, plain = (make_authority(_directory(tmp_path / name)).certificate for name in "abcd")
    bundle = tmp_path / "root.pem"
    bundle.write_text(old.read_text() + other.read_text())
    chroot.apply([{"ca_certificates": {"src": [str(bundle)]}}])
    bundle.write_text(new.read_text())
    texts = [plain.read_text(), old.read_text()]
    content = {"content": texts, "names": ["root-2", "root.bundled"]}
    chroot.apply([{"ca_certificates": content}, {"ca_certificates": {"src": [str(bundle)]}}])
    found = {path.name: path.read_text() for path in (chroot.root / "usr/local/share/ca-certificates").iterdir()}
    assert found == {"root.crt": new.read_text(), "root-2.crt": texts[0], "root.bundled.crt": texts[1]}
    trusted = (chroot.root / "etc/ssl/certs/ca-certificates.crt").read_text()
    assert [each.read_text().strip() in trusted for each in (new, plain, old, other)] == [True, True, True, False]


def _directory(path: Path) -> Path:
    path.mkdir()
    return path
