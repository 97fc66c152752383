# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import typing as t
from pathlib import Path

from ...fixtures.authority import make_authority
from . import Place

NAMES = ("promise-1", "promise-der", "promise.bundle-1", "promise.bundle-2")


def steps(place: Place) -> list[dict[str, t.Any]]:
    texts = []
    for number in range(4):
        directory = place.directory / "ca_certificates" / str(number)
        directory.mkdir(parents=True, exist_ok=True)
        texts.append(make_authority(directory).certificate.read_text())
    bundle = place.file("promise.pem", f"# two of them\n{texts[0].replace(chr(10), chr(13) + chr(10))}and\n{texts[1]}")
    der = place.file("promise-der.cer", base64.b64decode("".join(texts[2].splitlines()[1:-1])))
    single = place.file("promise-1.pem", texts[3])
    return [{"ca_certificates": {"src": [single, bundle, der]}}]


def check(root: Path) -> None:
    directory = root / "usr/local/share/ca-certificates"
    assert sorted(path.name for path in directory.glob("promise*")) == [f"{name}.crt" for name in NAMES]
    bundle = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    for name in NAMES:
        text = (directory / f"{name}.crt").read_text()
        assert text.count("-----BEGIN CERTIFICATE-----") == 1
        assert text.strip() in bundle
        assert (root / "etc/ssl/certs" / f"{name}.pem").is_symlink()
