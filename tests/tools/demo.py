# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./run demo``: a golden image from a signed mirror on loopback, by the playbook that the collection ships.

It has to have been audited and booted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from tests.fixtures.programs import FixtureError

from .paths import ROOT, RUN, VENV
from .process import environment, stop
from .site import Site

DEMO = RUN / "demo"
GOLDEN, NAME = DEMO / "golden", "demo"
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdvbGRzbWl0aC1rdm0tZGVtby1rZXktMDAwMDAwMDAw demo@example.com"


def main() -> int:
    began = time.monotonic()
    print("demo: making the mirror and its images, which takes some minutes the first time …", flush=True)
    try:
        site = Site.build()
    except FixtureError as error:
        stop(str(error))
    DEMO.mkdir(exist_ok=True)
    with site.served() as variables:
        (DEMO / "variables.json").write_text(json.dumps({**variables, **_wanted(variables)}, indent=2) + "\n")
        print("demo: mirror at", *variables["golden_image_mirrors"], flush=True)
        playbook = [VENV / "bin" / "ansible-playbook", "goldsmith.kvm.golden_image", "-e", f"@{DEMO}/variables.json"]
        print("demo: $", *playbook, flush=True)
        log = DEMO / "playbook.log"
        with (
            log.open("w") as copy,
            subprocess.Popen(
                [str(part) for part in playbook], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
            ) as process,
        ):
            for line in process.stdout or ():
                print(line, end="", flush=True)
                copy.write(line)
    if process.returncode:
        print(f"demo: the playbook failed; its output is in {log}")
        return process.returncode
    if not is_proved():
        print(f"demo: the image was not audited and booted as it should have been; the playbook's output is in {log}")
        return 1
    _close(log.read_text(), time.monotonic() - began)
    return 0


def _wanted(variables: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        "golden_image_release": "noble",
        "golden_image_name": NAME,
        "golden_image_store": str(DEMO / "store"),
        "golden_image_dest_dir": str(GOLDEN),
        "golden_image_install_packages": False,
        "golden_image_presets": [],
        "golden_image_steps": [
            {"disable_unattended_upgrades": {}},
            {"write": {"dest": "/etc/apt/sources.list.d/demo.sources", "content": variables["site_apt_sources"]}},
            {"packages": {"install": ["goldsmith-hello"]}},
            {"user": {"name": "ops", "sudo": "nopasswd", "authorized_keys": [_KEY]}},
            {"timezone": {"name": "Europe/Oslo"}},
            {"write": {"dest": "/etc/motd", "content": "A golden image of the goldsmith.kvm demo.\n"}},
        ],
    }


def is_proved() -> bool:
    """Whether the record of the image that the link leads to has an audit and a boot that went well."""
    record = json.loads(Path(f"{(GOLDEN / f'{NAME}.qcow2').resolve()}.json").read_text())
    ended = {boot["cloud_init"]["status"] for boot in record.get("boot") or []}
    return ended == {"done"} and (record.get("audit") or {}).get("passed") is True


def _close(output: str, seconds: float) -> None:
    recap = output[output.rfind("PLAY RECAP") :]
    if "changed=0" in recap:
        print(f"demo: nothing had to change ({seconds:.0f} s)")
    else:
        print(f"demo: done in {seconds:.0f} s. Run it again: nothing will have to change.")


if __name__ == "__main__":
    sys.exit(main())
