# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./run demo``: a golden image from a signed mirror on loopback, and guests on it that are tuned and audited.

All by the playbooks that the collection ships. The image has to have been audited and booted.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import typing as t
import uuid
from pathlib import Path

from tests.fixtures.programs import FixtureError

from . import demo_domains, leaks
from .demo_play import DemoError, play
from .paths import RUN
from .process import MARKER
from .site import Site

DEMO = RUN / "demo"
GOLDEN, NAME = DEMO / "golden", "demo"
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdvbGRzbWl0aC1rdm0tZGVtby1rZXktMDAwMDAwMDAw demo@example.com"


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, dummy: sys.exit(128 + number))
    os.environ[MARKER] = uuid.uuid4().hex
    before = leaks.snapshot()
    # Not below the checkout: paths of sockets are short. Not in /tmp: that may be in memory, which has no O_DIRECT.
    scratch = tempfile.mkdtemp(prefix="goldsmith-demo-", dir="/var/tmp")
    try:
        shown = _demo(Path(scratch))
    except (DemoError, FixtureError) as error:
        print(f"\ndemo: {error}", flush=True)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", flush=True)
        return 130
    finally:
        left = leaks.left_behind(before, os.environ[MARKER], scratch)
        if left:
            print("demo: left behind:", *left, sep="\n  ", flush=True)
        else:
            shutil.rmtree(scratch)
    if left:
        return 1
    print(f"\n{shown}, and nothing was left running")
    return 0


def _demo(scratch: Path) -> str:
    """Returns what was shown."""
    began = time.monotonic()
    print("demo: making the mirror and its images, which takes some minutes the first time …", flush=True)
    site = Site.build()
    DEMO.mkdir(exist_ok=True)
    with site.served() as variables:
        print("demo: mirror at", *variables["golden_image_mirrors"], flush=True)
        made = play("golden_image", {**variables, **_wanted(variables)}, DEMO, "golden_image")
    image = (GOLDEN / f"{NAME}.qcow2").resolve()
    if not is_proved(image):
        raise DemoError(f"the image was not audited and booted as it should have been: see {image}.json")
    demo_domains.show(image, scratch, DEMO)
    seconds = time.monotonic() - began
    news = "the image is new (a second time, nothing of it has to change)" if made.changed else "the image is as it was"
    return f"demo: done in {seconds:.0f} s: {news}, the guests are tuned"


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


def is_proved(image: Path) -> bool:
    """Whether the record of a published image has an audit and a boot that went well."""
    record = json.loads(Path(f"{image}.json").read_text())
    ended = {boot["cloud_init"]["status"] for boot in record.get("boot") or []}
    return ended == {"done"} and (record.get("audit") or {}).get("passed") is True


if __name__ == "__main__":
    sys.exit(main())
