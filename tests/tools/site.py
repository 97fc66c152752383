# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site to build golden images at: test images behind a signed mirror on loopback, and what a play has to know of it.

``python -m tests.tools.site up | down``: for Molecule and for trying things by hand.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

from tests.fixtures.apt_repository import LOOPBACK_IN_APPLIANCE
from tests.fixtures.build import build

from .paths import CACHE, ROOT, RUN
from .process import end_recorded

DIRECTORY = RUN / "site"
VARIABLES = DIRECTORY / "variables.json"
_PORT = DIRECTORY / "port"
_PID = DIRECTORY / "server.pid"


class Site:
    """The fixtures, and where their mirror is or will be served."""

    def __init__(self, fixtures: dict[str, t.Any]) -> None:
        self.fixtures = fixtures

    @classmethod
    def build(cls) -> Site:
        """Make what is missing: minutes at first, a second later."""
        return cls(build(DIRECTORY, CACHE / "goldsmith-kvm"))

    def image(self, lineage: str = "server") -> Path:
        """The file of the newest serial of noble."""
        product = f"com.ubuntu.cloud:{lineage}:24.04:amd64"
        found = [i for i in self.fixtures["images"] if i["product"] == product and i["file_type"] == "disk1.img"]
        newest = max(found, key=lambda image: str(image["serial"]))
        return Path(self.fixtures["tree"], newest["url_path"])

    @contextlib.contextmanager
    def served(self) -> Iterator[dict[str, t.Any]]:
        """Serve the mirror for as long as the context lasts; yields the play's variables."""
        self.up()
        try:
            yield self.variables()
        finally:
            down()

    def up(self) -> None:
        """Start the server, on the port of the last time if there was one: images remember where apt finds packages."""
        down()
        port = _PORT.read_text().strip() if _PORT.exists() else "0"
        _PORT.unlink(missing_ok=True)
        with open(DIRECTORY / "server.log", "wb") as log:
            argv = [sys.executable, "-m", "tests.fixtures.server", "--root", self.fixtures["tree"]]
            process = subprocess.Popen(
                [*argv, "--port", port, "--port-file", str(_PORT)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _PID.write_text(f"{process.pid}\n")
        for dummy in range(200):
            if _PORT.exists():
                break
            if process.poll() is not None:
                raise SystemExit(f"the mirror does not start on port {port}: see {DIRECTORY / 'server.log'}")
            time.sleep(0.05)
        VARIABLES.write_text(json.dumps(self.variables(), indent=2) + "\n")

    def variables(self) -> dict[str, t.Any]:
        """What a play needs to use the mirror, as variables of the role golden_image and of our tests."""
        port = int(_PORT.read_text())
        apt = self.fixtures["apt"]
        return {
            "golden_image_mirrors": [f"http://127.0.0.1:{port}/"],
            "golden_image_keyring": self.fixtures["keyrings"]["trusted"]["armored"],
            "site_vendors_url": f"http://{LOOPBACK_IN_APPLIANCE}:{port}/vendors",
            "site_apt_key": self.fixtures["keyrings"]["apt"]["armored"],
            "site_falcon_deb": self.fixtures["vendors"]["falcon_deb"],
            "site_apt_sources": "".join(
                f"{line}\n"
                for line in (
                    "Types: deb",
                    f"URIs: http://{LOOPBACK_IN_APPLIANCE}:{port}/{apt['path']}",
                    f"Suites: {apt['suite']}",
                    f"Components: {apt['component']}",
                    "Signed-By:",
                    *_folded(Path(self.fixtures["keyrings"]["apt"]["armored"]).read_text()),
                )
            ),
        }


def down() -> None:
    """Stop the server, if one runs."""
    end_recorded(_PID, "tests.fixtures.server")


def _folded(text: str) -> list[str]:
    """Continuation lines of a deb822 field; a blank line would end the stanza."""
    return [f" {line or '.'}" for line in text.strip().splitlines()]


def main() -> None:
    if sys.argv[1:] == ["up"]:
        Site.build().up()
        print(VARIABLES)
    elif sys.argv[1:] == ["down"]:
        down()
    else:
        raise SystemExit("usage: python -m tests.tools.site up | down")


if __name__ == "__main__":
    main()
