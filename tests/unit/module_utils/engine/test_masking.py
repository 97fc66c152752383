# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shlex

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StepError
from ansible_collections.goldsmith.kvm.plugins.module_utils.engine.masking import MASK, Mask
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run, StepOperations


@pytest.mark.parametrize(
    ("secrets", "text", "expected"),
    [
        ((), "a secret", "a secret"),
        (("",), "a secret", "a secret"),
        (("secret",), "a secret, secret", "a ********, ********"),
        (("se.ret",), "secret se.ret", "secret ********"),
        (("one", "one-two"), "one-two one", "******** ********"),
        (("first\n  second\n",), "first\nx\n> second <\nfirst\n  second\n", "********\nx\n> ******** <\n********\n"),
        (("it's",), "+ echo 'it'\\''s'\nrun 'it'\"'\"'s' it's", "+ echo '********'\nrun '********' ********"),
        (("\udcff-key",), "\ufffd-key", "********"),
    ],
)
def test_masked(secrets: tuple[str, ...], text: str, expected: str) -> None:
    assert Mask(secrets).text(text) == expected


@given(st.lists(st.text(min_size=1), min_size=1), st.lists(st.text()), st.randoms())
def test_no_line_of_a_secret_is_left(secrets: list[str], others: list[str], random: object) -> None:
    text = "\n".join(f"{other}{secret}" for other, secret in zip([*others, *secrets], secrets))
    masked = Mask(secrets).text(text)
    for secret in secrets:
        for line in secret.splitlines():
            assume(line == line.strip().strip("*") and line)
            assert line not in masked.replace(MASK, "\n")


@given(st.lists(st.text('ab $\\"\u00e9', max_size=9), min_size=1), st.booleans())
def test_no_quoted_secret_is_left(words: list[str], bash: bool) -> None:
    secret = "a'" + "'".join(words) + "b"
    quoted = secret.replace("'", "'\\''").join("''") if bash else shlex.quote(secret)
    assert Mask([secret]).text(f"run {quoted}") == f"run '{MASK}'"


def test_an_error_is_masked_whichever_step_has_the_secret() -> None:
    steps = [StepOperations(1, "run", "1 (run)", (Run("true"),), None, frozenset({"s3cret"}))]
    error = StepError("step 2 failed:\ns3cret", "Look at s3cret", step=2)
    Mask.of(steps).error(error)
    assert str(error) == "step 2 failed:\n********. Look at ********."
    assert error.args == ("step 2 failed:\n********",)
    assert error.details == {"step": 2}
