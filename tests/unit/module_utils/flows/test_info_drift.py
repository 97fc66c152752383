# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.info_drift import Content, drift

RECORD = {
    "fingerprint": "sha256:f",
    "image": {"digest": "sha256:d"},
    "packages": {"added": {"nginx": "1"}, "removed": {"snapd": "2"}, "changed": {"apt": ["2", "3"]}},
    "os_release": {"ID": "ubuntu"},
}
BUILT = Content({"nginx": "1", "apt": "3", "bash": "5"}, {"ID": "ubuntu"}, "sha256:f", complete=True)
UNREAD = Content(None, None, None, complete=False)
UPGRADED = replace(BUILT, packages={"nginx": "1", "apt": "3", "bash": "6"})


@pytest.mark.parametrize(
    ("digest", "found", "below", "drifted", "differences"),
    [
        # The image itself.
        ("sha256:d", BUILT, None, False, {"packages": {}, "os_release": {}}),
        ("sha256:d", UNREAD, None, False, {}),
        ("sha256:e", UNREAD, None, True, {"digest": ["sha256:d", "sha256:e"]}),
        (
            "sha256:d",
            replace(BUILT, packages={"nginx": "1", "snapd": "2"}),
            None,
            True,
            {"packages": {"apt": ["3", None], "snapd": [None, "2"]}, "os_release": {}},
        ),
        # An overlay of it.
        ("sha256:d", BUILT, BUILT, False, {"packages": {}, "os_release": {}}),
        ("sha256:d", UPGRADED, BUILT, True, {"packages": {"bash": ["5", "6"]}, "os_release": {}}),
        (
            "sha256:d",
            replace(BUILT, packages={**t.cast("dict[str, str]", BUILT.packages), "vim": "9"}),
            BUILT,
            True,
            {"packages": {"vim": [None, "9"]}, "os_release": {}},
        ),
        (
            "sha256:d",
            replace(BUILT, os_release={"ID": "debian"}),
            BUILT,
            True,
            {"packages": {}, "os_release": {"ID": ["ubuntu", "debian"]}},
        ),
        (
            "sha256:d",
            replace(BUILT, fingerprint="sha256:g"),
            BUILT,
            True,
            {"packages": {}, "os_release": {}, "fingerprint": ["sha256:f", "sha256:g"]},
        ),
        ("sha256:d", UNREAD, UNREAD, None, {}),
        ("sha256:e", UNREAD, UNREAD, True, {"digest": ["sha256:d", "sha256:e"]}),
        ("sha256:d", replace(BUILT, complete=False), BUILT, None, {"packages": {}, "os_release": {}}),
        ("sha256:d", UPGRADED, UNREAD, None, {"packages": {}, "os_release": {}}),
        (
            "sha256:d",
            replace(BUILT, packages={"nginx": "2", "apt": "3"}),
            UNREAD,
            True,
            {"packages": {"nginx": ["1", "2"]}, "os_release": {}},
        ),
        # The image below was changed after it was built: what the record says of a package counts.
        (
            "sha256:e",
            UPGRADED,
            replace(UPGRADED, packages={"nginx": "0", "apt": "3", "bash": "6"}),
            True,
            {"digest": ["sha256:d", "sha256:e"], "packages": {}, "os_release": {}},
        ),
    ],
)
def test_drift(
    digest: str, found: Content, below: Content | None, drifted: bool | None, differences: dict[str, t.Any]
) -> None:
    nothing = {"digest": None, "fingerprint": None, "packages": None, "os_release": None}
    assert drift(RECORD, digest, found, below) == {**nothing, **differences, "drifted": drifted}


def test_a_record_that_says_nothing_of_the_distribution() -> None:
    record = {**RECORD, "os_release": {}}
    upgraded = replace(BUILT, os_release={"ID": "debian"})
    assert drift(record, "sha256:d", upgraded, None)["os_release"] == {}
    assert drift(record, "sha256:d", upgraded, BUILT)["os_release"] == {"ID": ["ubuntu", "debian"]}
