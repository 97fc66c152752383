# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are found wherever they are and however they are written, and nowhere else."""

from __future__ import annotations

import base64
import json
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.forms import SHORTEST, forms
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.model import Secret
from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.raw_search import MOST, search
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import StoreError

Encode = Callable[[str], bytes]

ENCODINGS: dict[str, Encode] = {
    "plain": lambda text: text.encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 after one byte": lambda text: base64.b64encode(b"x" + text.encode() + b"yz"),
    "base64 after two bytes": lambda text: base64.b64encode(b"xy" + text.encode() + b"z"),
    "base64 of a file": lambda text: base64.b64encode(f"token={text}\nother=1\n".encode()),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"\xff" + text.encode()),
    "base64 in lines of MIME": lambda text: base64.encodebytes(b"z" * 40 + text.encode() + b"z" * 90),
    "base64 in lines of PEM": lambda text: "\n".join(
        textwrap.wrap(base64.b64encode(b"z" * 31 + text.encode() + b"z" * 90).decode(), 64)
    ).encode(),
    "URL": lambda text: quote(text).encode(),
    "URL, all escaped": lambda text: quote(text, safe="").encode(),
    "URL, lower case": lambda text: "".join(
        part if index % 2 == 0 else part.lower() for index, part in enumerate(_split_escapes(quote(text, safe="")))
    ).encode(),
    "a form": lambda text: quote_plus(text).encode(),
    "JSON": lambda text: json.dumps({"token": text}).encode(),
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False).encode(),
    "JSON of PHP": lambda text: json.dumps(text).replace("/", "\\/").encode(),
    "UTF-16LE": lambda text: text.encode("utf-16-le"),
    "UTF-16BE": lambda text: text.encode("utf-16-be"),
    "UTF-16 with its mark": lambda text: text.encode("utf-16"),
}


def _split_escapes(quoted: str) -> list[str]:
    parts, rest = [], quoted
    while "%" in rest:
        before, dummy, after = rest.partition("%")
        parts += [before, f"%{after[:2]}"]
        rest = after[2:]
    return [*parts, rest]


# No surrogates: no variable of the environment and no file of text has any. Stripped: so is what is looked for.
texts = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=SHORTEST + 6, max_size=120)
    .map(str.strip)
    .filter(lambda text: len(text) >= SHORTEST + 6)
)


def found_in(path: Path, content: bytes, *secrets: str, chunk: int = 4096) -> list[int]:
    path.write_bytes(content)
    return [hit.offset for hit in search(str(path), [Secret(f"s{n}", s) for n, s in enumerate(secrets)], chunk).hits]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=texts, name=st.sampled_from(sorted(ENCODINGS)), before=st.integers(0, 9000), after=st.integers(0, 9000))
def test_a_secret_is_found(tmp_path: Path, text: str, name: str, before: int, after: int) -> None:
    written = ENCODINGS[name](text)
    offsets = found_in(tmp_path / "raw", b"\x01" * before + written + b"\x02" * after, text)
    assert offsets
    assert all(before <= offset < before + len(written) for offset in offsets)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=texts, noise=st.binary(max_size=20000))
def test_nothing_is_found_where_nothing_is(tmp_path: Path, text: str, noise: bytes) -> None:
    if not any(needle in noise for needle in forms(text)):
        assert found_in(tmp_path / "raw", noise, text) == []


@pytest.mark.parametrize("at", [0, 1, 4096 - 5, 4096, 8192 - 11, 3 * 4096 - 1, 100_000 - 11])
def test_a_secret_is_found_across_borders(tmp_path: Path, at: int) -> None:
    content = bytearray(os.urandom(100_000))
    content[at : at + 11] = b"hunter2-abc"
    assert found_in(tmp_path / "raw", bytes(content), "hunter2-abc") == [at]


def test_holes_are_passed_over(tmp_path: Path) -> None:
    """In a moment, in a file of a tebibyte."""
    path = tmp_path / "sparse"
    places = [0, 1024**3 + 4090, 2**40 - 20]
    with open(path, "wb") as file:
        file.truncate(2**40)
        for place in places:
            file.seek(place)
            file.write(b"hunter2-abc")
    assert path.stat().st_blocks * 512 < 1024**2
    assert [hit.offset for hit in search(str(path), [Secret("s", "hunter2-abc")]).hits] == places


def test_a_secret_that_ends_in_a_hole(tmp_path: Path) -> None:
    """UTF-16 has zeros, which may be where the file has no data."""
    path = tmp_path / "sparse"
    written = "hunter2-Āabcd".encode("utf-16-be")
    with open(path, "wb") as file:
        file.truncate(1024**2)
        file.seek(8192 - 1)
        file.write(written)
    assert [hit.offset for hit in search(str(path), [Secret("s", "hunter2-Āabcd")]).hits] == [8191]


def test_hits_have_their_secret_and_form(tmp_path: Path) -> None:
    content = b"..first-secret..." + base64.b64encode(b"second-secret") + b"..."
    path = tmp_path / "raw"
    path.write_bytes(content)
    found = search(str(path), [Secret("one", "first-secret"), Secret("two", "second-secret"), Secret("pin", "1234")])
    assert [(hit.secret, hit.form, hit.offset) for hit in found.hits][:2] == [
        ("one", "plain", 2),
        ("two", "base64", 17),
    ]
    assert found.not_searched == ("pin",)
    assert "first-secret" not in repr(Secret("one", "first-secret"))


def test_one_text_of_two_secrets_is_told_of_both(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(b"the-same-text")
    hits = search(str(path), [Secret("one", "the-same-text"), Secret("two", "the-same-text\n")]).hits
    assert [hit.secret for hit in hits] == ["one", "two"]


def test_a_secret_that_is_everywhere_is_told_a_few_times(tmp_path: Path) -> None:
    assert len(found_in(tmp_path / "raw", b"hunter2-abc " * 10000, "hunter2-abc")) == MOST


def test_a_key_of_many_lines(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"
    for written in (key.encode(), key.replace("\n", "\r\n").encode(), json.dumps(key).encode()):
        assert found_in(tmp_path / "raw", b"x" * 50 + written, key)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be searched: No such file"):
        search(str(tmp_path / "none"), [Secret("s", "hunter2-abc")])
    assert search(str(tmp_path / "none"), []).hits == ()
