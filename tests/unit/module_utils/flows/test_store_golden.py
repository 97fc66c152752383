# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning after a build of the same play: check mode tells what the run will do, though nothing was built."""

from __future__ import annotations

import itertools
import json
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.age import format_time, now
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.store import manage_store, store_argument_spec
from ansible_collections.goldsmith.kvm.tests.unit.module_utils.flows.building import Result, ScribblingEngine, Workshop


class Play:
    """Builds an image and prunes those of its name, as the role does."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop

    def __call__(self, command: str, *, check_mode: bool = False, keep: int = 1, **changed: t.Any) -> Result:
        built = self.workshop.customize(command, check_mode=check_mode, **changed)
        return self.prune(built["image"], keep=keep, check_mode=check_mode)

    def prune(self, image: dict[str, t.Any], *, keep: int, check_mode: bool) -> Result:
        wish = {"keep": keep, "dest_dir": None, "name": None, "image": image}
        defaults = {name: spec.get("default") for name, spec in store_argument_spec().items()}
        params = {**defaults, "store": str(self.workshop.store), "state": "pruned", "golden": wish}
        return manage_store(self.workshop.host, params, check_mode, root=str(self.workshop.store))


@pytest.fixture(name="play")
def fixture_play(workshop: Workshop, engine: ScribblingEngine) -> Play:
    """Three images of one name that were built an hour apart, and one of another name."""
    for hours, command in enumerate(("one", "two", "three")):
        record = Path(workshop.customize(command)["record"])
        document = json.loads(record.read_text())
        record.write_text(json.dumps({**document, "created": format_time(now() - timedelta(hours=9 - hours))}))
    workshop.customize("one", name="web-db")
    return Play(workshop)


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 9])
@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("three", {}),
        ("new", {}),
        # The link goes back to an older one.
        ("two", {}),
        ("one", {}),
        # Its path cannot be known before it is built.
        ("three", {"force": True}),
        ("three", {"max_age": "1h"}),
    ],
    ids=["nothing to build", "new recipe", "back by one", "back by two", "forced", "too old"],
)
def test_check_mode_counts_what_would_be_built(play: Play, command: str, options: dict[str, t.Any], keep: int) -> None:
    before = play.workshop.files()
    predicted = play(command, check_mode=True, keep=keep, **options)
    assert play.workshop.files() == before
    result = play(command, keep=keep, **options)
    for key in ("changed", "removed_golden", "freed", "diff"):
        assert predicted[key] == result[key], key
    # What is not there yet cannot be said to stay.
    assert predicted["kept_golden"] == [kept for kept in result["kept_golden"] if kept["path"] in before]
    names = [name for name in play.workshop.visible() if name.endswith(".qcow2") and not name.startswith("web-db")]
    link = play.workshop.link.resolve()
    assert link.exists()
    # The link itself, the newest, and the current one if it is not among these.
    total = 3 + (command == "new" or bool(options))
    assert len(names) - 1 in {min(max(keep, 1), total), min(keep, total) + 1}
    assert not play(command, keep=keep)["changed"]


def test_every_keep_leaves_a_link_that_leads_somewhere(play: Play) -> None:
    for keep, command in itertools.product((0, 2), ("one", "four", "two", "four")):
        play(command, keep=keep)
        assert play.workshop.link.resolve().exists()
    assert any(name.startswith("web-db-") for name in play.workshop.visible())


def test_an_image_that_was_not_built_is_refused(play: Play) -> None:
    planned = play.workshop.customize("new", check_mode=True)["image"]
    with pytest.raises(BadRequestError, match="has not been built: it is what image_customize says in check mode"):
        play.prune(planned, keep=1, check_mode=False)
