# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.age import format_time, parse_age, parse_time
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("2W", timedelta(weeks=2)),
        ("1w 3d", timedelta(days=10)),
        ("90m", timedelta(hours=1.5)),
        ("0s", timedelta()),
        (" 7 d ", timedelta(days=7)),
    ],
)
def test_an_age_is_read(text: str, span: timedelta) -> None:
    assert parse_age(text) == span


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "1y", "1d later", "9999999999999w"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="is not an age"):
        parse_age(text)


_moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


@given(_moments, _moments)
def test_times_are_kept_and_keep_their_order(one: datetime, other: datetime) -> None:
    assert parse_time(format_time(one)) == one
    assert (format_time(one) < format_time(other)) == (one < other)
