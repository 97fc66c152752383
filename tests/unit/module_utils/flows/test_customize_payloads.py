# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, VerificationError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.masking import Mask
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import ScribblingEngine, Workshop

STEPS = [{"upload": {"src": "a.txt", "dest": "/opt/"}}]
HEX = hashlib.sha256(b"content").hexdigest()
DIGESTS = {"1.upload.src": f"sha256:{HEX}"}


def test_only_what_the_store_lacks_is_asked_for(workshop: Workshop, engine: ScribblingEngine, tmp_path: Path) -> None:
    predicted = workshop.customize(steps=STEPS, payloads={"digests": DIGESTS}, check_mode=True)
    assert predicted["changed"]
    assert "payloads_missing" not in predicted

    answer = workshop.customize(steps=STEPS, payloads={"digests": DIGESTS})
    assert answer == {"changed": False, "payloads_missing": ["1.upload.src"]}
    assert engine.builds == []

    (tmp_path / "1.upload.src").write_bytes(b"content")
    sent = {"digests": DIGESTS, "directory": str(tmp_path)}
    built = workshop.customize(steps=STEPS, payloads=sent)
    assert built["image"]["path"] == predicted["image"]["path"]
    assert engine.contents[0] == "content"

    assert not workshop.customize(steps=STEPS, payloads={"digests": DIGESTS})["changed"]
    elsewhere = [{"upload": {"src": "a.txt", "dest": "/srv/"}}]
    assert workshop.customize(steps=elsewhere, payloads={"digests": DIGESTS})["payloads_missing"] == []
    (tmp_path / "1.upload.src").unlink()
    assert workshop.customize(steps=elsewhere, payloads=sent)["changed"]


def test_a_file_that_changed_on_the_controller(workshop: Workshop, engine: ScribblingEngine, tmp_path: Path) -> None:
    (tmp_path / "1.upload.src").write_bytes(b"other content")
    with pytest.raises(VerificationError, match="was changed while this task ran"):
        workshop.customize(steps=STEPS, payloads={"digests": DIGESTS, "directory": str(tmp_path)})
    assert engine.builds == []


def test_a_file_of_the_controller_needs_the_controller(workshop: Workshop, engine: ScribblingEngine) -> None:
    with pytest.raises(BadRequestError, match=r"src of step 1 \(upload\) is a file of the controller"):
        workshop.customize(steps=STEPS)


def test_a_file_of_the_target(workshop: Workshop, engine: ScribblingEngine, tmp_path: Path) -> None:
    source = tmp_path / "source"
    steps = [{"upload": {"src": str(source), "remote_src": True, "dest": "/opt/a.txt"}}]
    with pytest.raises(BadRequestError, match=r"src of step 1 \(upload\) is no file of this host"):
        workshop.customize(steps=steps)
    source.mkdir()
    with pytest.raises(BadRequestError, match="is a directory of this host"):
        workshop.customize(steps=steps)
    source.rmdir()
    source.write_bytes(b"content")
    built = workshop.customize(steps=steps)
    assert engine.contents[0] == "content"
    # The same content from the controller is the same image.
    assert workshop.customize(steps=STEPS, payloads={"digests": DIGESTS})["image"] == built["image"]

    source.write_bytes(b"new content")
    engine.at_work = lambda: source.write_bytes(b"even newer") and None
    before = workshop.visible()
    with pytest.raises(VerificationError, match=r"source of step 1 \(upload\) changed during the build"):
        workshop.customize(steps=steps)
    assert workshop.visible() == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{\n  token: s3cret-of-mine\n}\n", b"{\n  ********\n}\n"),
        (b"s3cret-of-mine", b"********"),
        (b"token: s3cret-of-mine\n" * 4000, None),
        (b"token: s3cret-of-mine\n\0", None),
        (b"token: s3cret-of-mine\n\xff", None),
    ],
    ids=["lines", "one line", "long", "binary", "not UTF-8"],
)
@pytest.mark.parametrize("secret", [True, False])
def test_the_text_of_a_secret_file_is_masked(
    workshop: Workshop, engine: ScribblingEngine, tmp_path: Path, content: bytes, told: bytes | None, secret: bool
) -> None:
    engine.reads = False
    source = tmp_path / "source"
    source.write_bytes(content)
    upload = {"src": str(source), "remote_src": True, "dest": "/opt/a", "secret": secret, "in_image": secret}
    workshop.customize(steps=[{"upload": upload}])
    printed = content.decode(errors="replace")
    masked = Mask.of(engine.builds[0].steps).text(printed)
    assert masked == (told.decode() if secret and told is not None else printed)
