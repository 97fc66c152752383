# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image_audit_info is asked, before it looks at an image."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import Expected
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.report import Report
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows import audit
from ansible_collections.goldsmith.kvm.tests.unit.local_host import LocalHost

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com"
PARAMS: dict[str, t.Any] = {name: spec.get("default") for name, spec in audit.audit_info_spec().items()}


def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: t.Any) -> Expected:
    """What the audit is told to expect."""
    told: list[Expected] = []

    def look(dummy: object, *, expected: Expected, **others: object) -> Report:
        told.append(expected)
        return Report(())

    monkeypatch.setattr(audit, "audit_image", look)
    image = tmp_path / "image.raw"
    image.write_bytes(bytes(1024))
    audit.audit_info(LocalHost(str(tmp_path)), {**PARAMS, "path": str(image), "format": "raw", **options}, False)
    return told[0]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("authorized_keys", {"ops": "not a key"}, "authorized_keys.ops has a line without a key: 'not a key'. Give"),
        ("authorized_keys", {"ops": [KEY, "ssh-rsa"]}, "authorized_keys.ops has a line without a key: 'ssh-rsa'"),
        ("authorized_keys", {"ops": 3}, "authorized_keys.ops is neither a list nor a text"),
        ("authorized_keys", {"": KEY}, "authorized_keys has '', which is no user's name"),
        ("passwords", [""], "passwords has '', which is no user's name. Write it as in /etc/passwd"),
        ("passwords", ["root", "a b"], "passwords has 'a b'"),
        ("secrets", {"": "hunter2-x"}, "secrets has a text without a name. Write {NAME: TEXT}"),
        ("secrets", {"pin": 4711471}, "secrets.pin is no text"),
        ("secrets", {"pin": "  \n "}, "secrets.pin is empty or blank"),
        ("secrets", {"a\x1b[2J": ""}, "secrets.a\\x1b[2J is empty or blank"),
        ("allow", [{"rule": "logs", "paths": ["*"], "reason": " "}], "allow[0].reason is empty"),
    ],
)
def test_what_makes_no_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: object, said: str
) -> None:
    with pytest.raises(BadRequestError, match=f"^{re.escape(said)}") as caught:
        asked(tmp_path, monkeypatch, **{option: value})
    assert "hunter2" not in str(caught.value) and "4711" not in str(caught.value)


def test_what_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = asked(
        tmp_path,
        monkeypatch,
        authorized_keys={"First.Last": f"# of ops\n\n{KEY}\n", "ops": [f"no-pty {KEY}"]},
        passwords=["root", "3"],
        secrets={"pin": " 471 1471\n"},
    )
    assert expected.authorized_keys["ops"] == {f"no-pty {KEY}"}
    assert KEY in expected.authorized_keys["First.Last"]
    assert expected.passwords == {"root": "", "3": ""}
    assert [(secret.label, secret.text) for secret in expected.secrets] == [("pin", " 471 1471\n")]
