# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation, and a reader who tries them with servers and directories of their own."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import shutil
import typing as t
import uuid
from dataclasses import dataclass
from pathlib import Path

import yaml

from ansible_collections.goldsmith.kvm.tests.fixtures import base_image, dummy_images
from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.mirror import (
    SERIALS,
    Product,
    plain_directory,
    small_products,
    write_mirror,
)

from .plays import PLAYBOOK, Played, run_plays

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_CATALOG = "goldsmith.kvm.image_catalog_info"
_FETCH = "goldsmith.kvm.image_fetch"
_CONVERT = "goldsmith.kvm.image_convert"
_CUSTOMIZE = "goldsmith.kvm.image_customize"
_STORE = "goldsmith.kvm.image_store"
_BOOT = "goldsmith.kvm.image_boot"
_TUNE = "goldsmith.kvm.domain_tune"
_AUDIT = "goldsmith.kvm.domain_tuning_info"
_DEBIAN = "cloud.debian.org/images/cloud"
_DEBIAN_12 = f"{_DEBIAN}/bookworm/20260901-2224/debian-12-generic-amd64-20260901-2224.qcow2"
_DEBIAN_13 = f"{_DEBIAN}/trixie/latest/debian-13-genericcloud-amd64.qcow2"
_DOMAIN = """
<domain type='test'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>512</memory><vcpu>2</vcpu><os><type>hvm</type></os>
<devices><disk type='file' device='disk'><source file='/srv/{name}.raw'/><target dev='vda' bus='virtio'/></disk>
</devices></domain>"""


def blocks(document: Path, language: str) -> list[str]:
    """The code blocks of this language in a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A playbook of a document."""

    document: str
    text: str

    @property
    def title(self) -> str:
        first = yaml.safe_load(self.text)[0]
        return str(first.get("name", first["hosts"]))


def examples() -> list[Example]:
    """All playbooks of the documents."""
    playbooks = [document for document in DOCUMENTS if document.name != "steps.md"]
    return [Example(document.name, text) for document in playbooks for text in blocks(document, "yaml")]


class Reader:
    """Somebody with a mirror, a keyring, a key of their own, and the files that examples name.

    What an example says of servers and of directories of the host is read as directories of theirs:
    ``https://HOST/PATH`` as ``URL/HOST/PATH``, ``/srv/PATH`` as ``DIRECTORY/srv/PATH``.
    """

    def __init__(self, directory: Path, url: str, keys: Keys) -> None:
        self.directory = directory
        self.url = url
        self.keyring = str(keys.armored)
        self.mirror = f"{url}/cloud-images.ubuntu.com/"
        self.store = directory / "store"
        self.golden_dir = directory / "golden"

    def run(self, text: str, *options: str, launch: bool = False, ansible_playbook: Path = PLAYBOOK) -> Played:
        """Run a playbook, or a list of tasks. Unless ``launch``, customising is done in check mode."""
        found = yaml.safe_load(self._at_home(text))
        plays = found if "hosts" in found[0] else [{"hosts": "localhost", "tasks": found}]
        for play in plays:
            self._equip(play)
            if not launch:
                _do_not_launch(play)
        return run_plays(
            plays,
            *("-i", "build_host,hypervisor,", "-e", json.dumps(self.variables()), *options),
            directory=self.directory,
            environ={"HOME": str(self.directory / "home"), "ANSIBLE_GATHERING": "explicit"},
            ansible_playbook=ansible_playbook,
        )

    def variables(self) -> dict[str, str]:
        """What examples leave to the reader's variables."""
        debian = (self.directory / "tree" / _DEBIAN_12).read_bytes()
        return {
            "mirror_url": self.mirror,
            "mirror_keyring": self.keyring,
            "golden_dir": str(self.golden_dir),
            "work_dir": str(self.directory / "work"),
            "vault_datadog_api_key": "0123456789abcdef",
            "vault_download_token": "5f1e7c02b9",
            "vault_falcon_cid": "0123456789ABCDEF-12",
            "build_user": pwd.getpwuid(os.geteuid()).pw_name,
            "debian_sha512": hashlib.sha512(debian).hexdigest(),
        }

    def _at_home(self, text: str) -> str:
        text = re.sub(r"https://([a-z.-]+)/", rf"{self.url}/\1/", text)
        return re.sub(r"(?<![\w/}])/(srv|var/lib|etc/goldsmith)/", rf"{self.directory}/\1/", text)

    def _equip(self, play: dict[str, t.Any]) -> None:
        """Settings that are the reader's own, where the example does not say otherwise."""
        trust = {"mirrors": [self.mirror], "keyring": self.keyring}
        store = {"store": str(self.store)}
        # libvirt's own test driver, whose CPUs 0, 2 and 4 are online.
        hypervisor = {"uri": f"test://{self.directory}/hypervisor.xml"}
        play["connection"] = "local"
        play["module_defaults"] = {
            _CATALOG: trust,
            _FETCH: {**trust, **store},
            **dict.fromkeys((_BOOT, _CONVERT, _CUSTOMIZE, _STORE), store),
            _TUNE: {**hypervisor, "backup_dir": str(self.directory / "domains")},
            _AUDIT: {**hypervisor, "backup_dir": str(self.directory / "domains")},
        }
        play["vars"] = {
            "ansible_python_interpreter": "/usr/bin/python3",
            "golden_image_mirrors": trust["mirrors"],
            "golden_image_keyring": trust["keyring"],
            "golden_image_store": store["store"],
            "golden_image_dest_dir": str(self.golden_dir),
            "domain_tuning_uri": hypervisor["uri"],
            "domain_tuning_backup_dir": str(self.directory / "domains"),
            **play.get("vars", {}),
        }


def _do_not_launch(play: dict[str, t.Any]) -> None:
    if "roles" in play:
        play["check_mode"] = True
    for task in play.get("tasks", []):
        if _CUSTOMIZE in task or _BOOT in task:
            task["check_mode"] = True


def furnish(directory: Path, keys: Keys) -> Path:
    """Write what the servers of the examples serve, and the reader's own files; returns the server's root."""
    tree, images = directory / "tree", directory / "images"
    images.mkdir()
    real = next(image for image in base_image.ensure() if (image.lineage, image.serial) == ("server", max(SERIALS)))
    jammy_minimal = {serial: {"disk1.img": dummy_images.qcow2(images / f"jammy-{serial}.img")} for serial in SERIALS}
    products = small_products(images, image=real.path)
    products.append(Product("jammy", jammy_minimal, lineage="minimal"))
    write_mirror(tree / "cloud-images.ubuntu.com", products, keys)
    for host in ("mirror.example.com", "mirror.example.org"):
        (tree / host).mkdir()
        (tree / host / "cloud-images").symlink_to(tree / "cloud-images.ubuntu.com")
    for name in (_DEBIAN_12, _DEBIAN_13):
        image = dummy_images.qcow2(tree / name)
        plain_directory(image.parent, [image], algorithm="sha512", checksum_file="SHA512SUMS")
    image = dummy_images.qcow2(tree / "images.example.com/golden/base.qcow2")
    plain_directory(image.parent, [image], keys)
    _write_files(directory, keys)
    _write_golden(directory / "var/lib/libvirt/images/golden", real.path)
    return tree


def _write_files(directory: Path, keys: Keys) -> None:
    (directory / "var/lib/libvirt/images").mkdir(parents=True)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB reader@example.com"
    for name, content in {
        "files/site.conf": "server { listen 80; }\n",
        "templates/motd.j2": "Built on {{ inventory_hostname }}\n",
        "templates/user-data.yml.j2": "#cloud-config\ntimezone: Europe/Vienna\nfqdn: {{ item }}.example.com\n",
        "files/datadog.asc": keys.apt.armored.read_text(),
        "files/falcon-sensor.deb": "the customer's own package\n",
        "presets/web.yml": "steps: [{packages: {install: [nginx-light]}}]\n",
        "srv/builds/app": "#!/bin/sh\nexec sleep infinity\n",
        "etc/goldsmith/images.asc": keys.armored.read_text(),
        "home/.ssh/id_ed25519.pub": f"{key}\n",
    }.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    dummy_images.qcow2(directory / "srv/images/debian-12.qcow2")
    domains = "".join(_DOMAIN.format(name=name, uuid=uuid.uuid4()) for name in ("db-1", "db-2"))
    (directory / "hypervisor.xml").write_text(f"<node>{domains}</node>")


def _write_golden(directory: Path, base: Path) -> None:
    """A golden image of no steps, which can be looked into and booted."""
    directory.mkdir(parents=True)
    image = directory / "noble-web-20261010.1-1a2b3c4d.qcow2"
    shutil.copyfile(base, image)
    (directory / "noble-web.qcow2").symlink_to(image.name)
    digest = f"sha256:{hashlib.sha256(image.read_bytes()).hexdigest()}"
    record = {
        "schema": 1,
        "name": "noble-web",
        "fingerprint": f"sha256:{'1a2b3c4d' * 8}",
        "created": "2026-10-11T04:12:31Z",
        "base": {"digest": digest, "serial": "20261010.1"},
        "recipe": {"steps": []},
        "image": {"file": image.name, "digest": digest, "size": image.stat().st_size},
        "packages": {"added": {}, "removed": {}, "changed": {}},
    }
    image.with_name(f"{image.name}.json").write_text(json.dumps(record))
