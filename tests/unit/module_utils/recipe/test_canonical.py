# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import typing as t

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.canonical import (
    canonical_json,
    canonical_step,
    document_digest,
    fingerprint,
    seal_with,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.model import Step, StepKind
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Operation, Run
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.registry import KINDS

KEY = b"k" * 32
ONE, OTHER = (f"sha256:{digit * 64}" for digit in "12")
GOOD: dict[str, t.Any] = {"base_digest": ONE, "engine": "virt_customize", "size": None, "compression": "zstd"}
PINNED = "sha256:54b1224eccafa7577f65032e6122bcaa72c81dae89bd6bdb30727a999195b736"

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
writes = st.fixed_dictionaries(
    {"dest": st.sampled_from(["/a", "/b/c"]), "content": texts},
    optional={"mode": st.sampled_from(["0600", "0755"]), "owner": st.sampled_from(["root", "daemon"])},
)


def canonical(kind: str, options: t.Mapping[str, t.Any], key: bytes = KEY, digest: str = ONE) -> dict[str, t.Any]:
    (step,) = parse_steps([{kind: options}])
    return canonical_step(step, {option: digest for option, dummy in step.files()}, seal_with(key))


@given(writes, st.randoms())
def test_the_order_of_keys_does_not_matter(options: dict[str, t.Any], chance: random.Random) -> None:
    names = list(options)
    chance.shuffle(names)
    shuffled = {name: options[name] for name in names}
    assert document_digest(canonical("write", options)) == document_digest(canonical("write", shuffled))


@given(writes)
def test_a_default_that_is_spelled_out_does_not_matter(options: dict[str, t.Any]) -> None:
    defaults = {name: spec["default"] for name, spec in KINDS["write"].options.items() if "default" in spec}
    assert canonical("write", options) == canonical("write", {**defaults, **options})


@given(writes, writes)
def test_every_value_matters(one: dict[str, t.Any], other: dict[str, t.Any]) -> None:
    defaults = {name: spec["default"] for name, spec in KINDS["write"].options.items() if "default" in spec}
    same = {**defaults, **one} == {**defaults, **other}
    digests = [fingerprint(steps=[canonical("write", options)], **GOOD) for options in (one, other)]
    assert (digests[0] == digests[1]) == same


def test_all_else_that_decides_the_result_matters() -> None:
    steps = [canonical("hostname", {"name": "a"}), canonical("hostname", {"name": "b"})]
    variants = [
        fingerprint(steps=steps, **GOOD),
        fingerprint(steps=steps[::-1], **GOOD),
        fingerprint(steps=steps[:1], **GOOD),
        fingerprint(steps=steps, **{**GOOD, "base_digest": OTHER}),
        fingerprint(steps=steps, **{**GOOD, "engine": "chroot"}),
        fingerprint(steps=steps, **{**GOOD, "size": 10}),
        fingerprint(steps=steps, **{**GOOD, "compression": "zlib"}),
    ]
    assert len(set(variants)) == len(variants)


def test_the_fingerprint_of_a_recipe_stays_from_version_to_version() -> None:
    """When this fails, every golden image in the field is built anew: raise RECIPE_SCHEMA only when that is meant."""
    steps = [canonical("disable_unattended_upgrades", {}), canonical("upload", {"src": "a", "dest": "/opt/a"})]
    assert fingerprint(steps=steps, **GOOD) == PINNED


def test_a_file_counts_by_its_content_and_not_by_its_place() -> None:
    here = canonical("upload", {"src": "files/a", "dest": "/opt/a"})
    there = canonical("upload", {"src": "/srv/b", "remote_src": True, "dest": "/opt/a"})
    assert here == there == {"upload": {**here["upload"], "src": ONE}}
    assert here != canonical("upload", {"src": "files/a", "dest": "/opt/a"}, digest=OTHER)


@given(st.text("abcdefXYZ0123456789./", min_size=8, max_size=40), st.binary(min_size=32, max_size=32))
def test_a_secret_does_not_appear_and_still_matters(secret: str, key: bytes) -> None:
    options = {"name": "ops", "password_hash": f"$6$salt${secret}"}
    sealed = canonical("user", options, key)
    assert secret not in canonical_json(sealed)
    assert sealed == canonical("user", options, key)
    assert sealed != canonical("user", {**options, "password_hash": f"$6$salt${secret}x"}, key)
    assert sealed != canonical("user", options, key[::-1] + b"x")


def test_every_step_that_names_files_gives_them_to_its_operations() -> None:
    for kind in KINDS.values():
        for step in steps_with_files(kind):
            paths = {place: f"/store/payload-{number}" for number, (place, dummy) in enumerate(step.files())}
            given = [path for operation in step.operations(paths).operations for path in host_files(operation)]
            assert set(paths.values()) <= set(given)


def steps_with_files(kind: StepKind) -> list[Step]:
    """One for each option that names files, otherwise like the kind's example."""
    example = yaml.safe_load(kind.example or "[]")
    (options, *_others) = [step[kind.name] for step in example if kind.name in step] or [{"dest": "/a"}]
    steps = []
    for option in kind.files:
        rivals = {rival for group in kind.rules.get("mutually_exclusive", ()) if option in group for rival in group}
        kept = {name: value for name, value in options.items() if name not in rivals}
        value = ["a", "b"] if kind.options[option]["type"] == "list" else "a"
        steps.append({kind.name: {**kept, option: value}})
    return list(parse_steps(steps))


def host_files(operation: Operation) -> list[str]:
    return list(operation.files.values()) if isinstance(operation, Run) else [getattr(operation, "source", "")]
