# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps

SECRET = "S3CRET"
HOLDER: dict[str, t.Any] = {"run_command": {"command": 'echo "$A"', "secrets": {"A": SECRET}}}


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        (
            [{"run_command": {"command": f"echo {SECRET}", "secrets": {"A": SECRET}}}],
            "steps[0].run_command.command (step 1)",
        ),
        ([HOLDER, {"run_command": {"argv": ["echo", f"-p{SECRET}"]}}], "steps[1].run_command.argv (step 2)"),
        ([{"write": {"dest": "/a", "content": f"a\n{SECRET}\n"}}, HOLDER], "steps[0].write.content (step 1)"),
        (
            [HOLDER, {"run_command": {"command": "a", "environment": {"B": SECRET}}}],
            "steps[1].run_command.environment (step 2)",
        ),
        ([HOLDER, {"run_command": {"command": "a", "environment": {SECRET: "b"}}}], "environment (step 2)"),
        ([{**HOLDER, "name": f"Log in with {SECRET}"}], "steps[0].name (step 1)"),
        (
            [
                {"write": {"dest": "/a", "secret_content": f"{SECRET}\n", "in_image": True}},
                {"write": {"dest": "/b", "content": f"x={SECRET}"}},
            ],
            "steps[1].write.content (step 2)",
        ),
    ],
)
def test_a_secret_that_stands_in_clear_as_well_is_refused(steps: list[dict[str, t.Any]], place: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_steps(steps)
    assert f"{place} repeats a secret of the recipe" in caught.value.cause
    assert "environment variable" in caught.value.way_out
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "steps",
    [
        [HOLDER, HOLDER],
        [HOLDER, {"user": {"name": "ops", "password": SECRET}}],
        # Defaults and choices are nobody's secret.
        [{"password": {"user": "ops", "password": "root"}}, {"write": {"dest": "/a", "content": ""}}],
        [{"password": {"user": "ops", "password": "nopasswd"}}, {"user": {"name": "ops", "sudo": "nopasswd"}}],
        [{"run_command": {"command": "a", "secrets": {"A": "", "B": SECRET}}}],
        [{"run_command": {"command": "a", "secrets": {"A": "3600"}, "timeout": 3600}}],
    ],
)
def test_a_secret_that_stands_among_secrets_alone_is_taken(steps: list[dict[str, t.Any]]) -> None:
    assert len(parse_steps(steps)) == len(steps)


@pytest.mark.parametrize("secret", [" ", "a", "abc", "abc\n", " \n  \n"])
@pytest.mark.parametrize(
    ("step", "place"),
    [
        (lambda secret: {"run_command": {"command": "true", "secrets": {"A": secret}}}, "run_command.secrets"),
        (lambda secret: {"write": {"dest": "/a", "secret_content": secret, "in_image": True}}, "write.secret_content"),
    ],
)
def test_a_secret_that_cannot_be_masked_is_refused(step: t.Callable[[str], t.Any], place: str, secret: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_steps([step(secret)])
    assert caught.value.cause.startswith(f"steps[0].{place} (step 1) has a secret shorter than 4")
    assert "Choose a longer one" in caught.value.way_out


@pytest.mark.parametrize("step", [{"user": {"name": "ops"}}, {"password": {"user": "ops"}}])
def test_a_password_that_cannot_be_masked_is_refused(step: dict[str, dict[str, str]]) -> None:
    (kind,) = step
    with pytest.raises(BadRequestError, match="has a secret shorter than 4 characters"):
        parse_steps([{kind: {**step[kind], "password": "abc"}}])


@settings(deadline=None)
@given(st.text("abcd$'\"\n", min_size=4, max_size=8).filter(lambda text: len(text.strip()) >= 4), st.text("xyz ~"))
def test_no_plain_text_holds_a_secret(secret: str, around: str) -> None:
    holder = {"run_command": {"command": "true", "secrets": {"A": secret}}}
    plain = {"write": {"dest": "/x", "content": f"{around}{secret.strip()}{around}"}}
    with pytest.raises(BadRequestError, match=r"steps\[1\]\.write\.content \(step 2\) repeats a secret"):
        parse_steps([holder, plain])
