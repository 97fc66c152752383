# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets of the role golden_image as the role reads them, and what they install in small."""

from __future__ import annotations

import copy
import sys
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.goldsmith.kvm.tests.fixtures.keys import Keys
from ansible_collections.goldsmith.kvm.tests.fixtures.vendor_packages import FALCON_DEB, write_vendors

from .examples import ROOT
from .plays import PLAYBOOK, run_plays

ROLE = ROOT / "roles" / "golden_image"
PRESETS = sorted(path.stem for path in (ROLE / "presets").glob("*.yml"))
API_KEY = "0123456789abcdef-datadog-api-key"
CID = "ABCDEF0123456789ABCDEF0123456789-12"
TOKEN = "5EC12E7-falcon-token"

Step = dict[str, t.Any]


def preset_steps(
    presets: Sequence[str], variables: Mapping[str, t.Any] | None = None, ansible_playbook: Path = PLAYBOOK
) -> list[Step]:
    """The steps that the role makes of these presets."""
    given = {"golden_image_presets": list(presets), **(variables or {})}
    role = {"name": "goldsmith.kvm.golden_image", "tasks_from": "preflight", "public": True}
    read = "query('ansible.builtin.vars', *__golden_image_preset_variables.values())"
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {**given, "ansible_python_interpreter": sys.executable},
        "tasks": [
            {"ansible.builtin.include_role": role},
            {"ansible.builtin.debug": {"msg": f"{{{{ {read} | goldsmith.kvm.preset_steps }}}}"}},
        ],
    }
    return t.cast("list[Step]", run_plays([play], ansible_playbook=ansible_playbook).results[-1]["msg"])


def with_paths(steps: Sequence[Step]) -> list[Step]:
    """The steps with the role's own files as paths, as the module would find them."""
    found = copy.deepcopy(list(steps))
    for step in found:
        for options in step.values():
            if isinstance(options, dict) and isinstance(options.get("src"), str) and not options["src"].startswith("/"):
                options["src"] = str(ROLE / "files" / options["src"])
    return found


@dataclass(frozen=True)
class Vendors:
    """Where the small packages are."""

    url: str
    falcon: Path
    keys: Keys

    @classmethod
    def write(cls, tree: Path, url: str, keys: Keys) -> Vendors:
        """Write the repositories below ``tree``, which is served at ``url``."""
        write_vendors(tree, keys)
        return cls(url, tree / FALCON_DEB, keys)

    @property
    def distribution(self) -> Step:
        """The step that makes the distribution's repository known."""
        return {
            "apt_repository": {
                "name": "distribution",
                "uris": [f"{self.url}/distribution"],
                "suites": ["stable"],
                "components": ["main"],
                "key_src": str(self.keys.apt.armored),
            }
        }

    def agents(self) -> dict[str, t.Any]:
        """Variables of the preset agents for all of them."""
        return {
            "golden_image_datadog_key_src": str(self.keys.apt.armored),
            "golden_image_datadog_uri": f"{self.url}/datadog",
            "golden_image_datadog_api_key": API_KEY,
            "golden_image_datadog_site": "datadoghq.eu",
            "golden_image_datadog_config": {"tags": ["env:test", "it's: quoted"]},
            "golden_image_falcon_deb": str(self.falcon),
            "golden_image_falcon_cid": CID,
        }
