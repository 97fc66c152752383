# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are found wherever they are and however they are written, and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.audit.forms import SHORTEST, needles
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
    "JSON of Go": lambda text: _escaped(json.dumps(text, ensure_ascii=False), "<>&\u2028\u2029"),
    "JSON of .NET": lambda text: _escaped(json.dumps(text), "<>&'+`", upper=True),
    "a URL by encodeURIComponent": lambda text: quote(text, safe="!'()*").encode(),
    "a URL by encodeURI": lambda text: quote(text, safe=";,/?:@&=+$!'()*#").encode(),
    "a URL's path": lambda text: quote(text, safe="!$&'()*+,;=:@").encode(),
    "a form with old escapes": lambda text: quote_plus(text, safe="*").replace("~", "%7E").encode(),
    "UTF-16LE": lambda text: text.encode("utf-16-le"),
    "UTF-16BE": lambda text: text.encode("utf-16-be"),
    "UTF-16 with its mark": lambda text: text.encode("utf-16"),
}


def _escaped(written: str, characters: str, *, upper: bool = False) -> bytes:
    form = "\\u{:04X}" if upper else "\\u{:04x}"
    return "".join(form.format(ord(one)) if one in characters else one for one in written).encode()


def _split_escapes(quoted: str) -> list[str]:
    parts, rest = [], quoted
    while "%" in rest:
        before, dummy, after = rest.partition("%")
        parts += [before, f"%{after[:2]}"]
        rest = after[2:]
    return [*parts, rest]


# No surrogates: no variable of the environment and no file of text has any. Stripped: so is what is looked for.
texts = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=SHORTEST, max_size=120)
    .map(str.strip)
    .filter(lambda text: len(text) >= SHORTEST)
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
@given(
    text=texts,
    before=st.integers(0, 90),
    width=st.integers(64, 76),
    end=st.sampled_from(["\n", "\r\n", "\n        ", "\\n"]),
    encode=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_a_secret_is_found_wherever_base64_breaks_its_lines(
    tmp_path: Path, text: str, before: int, width: int, end: str, encode: Callable[[bytes], bytes]
) -> None:
    encoded = encode(b"z" * before + text.encode() + b"z" * 90).decode()
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    assert found_in(tmp_path / "raw", end.join(lines).encode(), text)


@pytest.mark.parametrize("secret", ["hunter", "a1&b2<", "s3cr3t", "Zürich", "!#%&/(", "abcabcabc"])
@pytest.mark.parametrize("before", range(3))
def test_base64_of_the_shortest_secret(tmp_path: Path, secret: str, before: int) -> None:
    encoded = base64.b64encode(b"z" * before + secret.encode() + b"z" * 9)
    for at in range(len(encoded)):
        for end in (b"", b"\n", b"\r\n"):
            assert found_in(tmp_path / "raw", encoded[:at] + end + encoded[at:], secret), (at, end)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.binary(max_size=20000))
@pytest.mark.parametrize("text", ["hunter2-abc", "a1&b2<", "!#%&/(=?", "Zürich"])
def test_nothing_is_found_where_nothing_is(tmp_path: Path, text: str, noise: bytes) -> None:
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


def test_every_place_is_told(tmp_path: Path) -> None:
    """Many allowed ones hide no other, also where a chunk begins with the end of the one before it."""
    path = tmp_path / "raw"
    path.write_bytes(b"hunter2-abc " * MOST)
    found = search(str(path), [Secret("s", "hunter2-abc")], 100)
    assert [hit.offset for hit in found.hits] == list(range(0, MOST * 12, 12))
    assert found.countless == ()


def test_a_secret_that_is_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(b"hunter2-abc " * (MOST + 1) + b"another-one")
    found = search(str(path), [Secret("s", "hunter2-abc"), Secret("t", "another-one")])
    assert len([hit for hit in found.hits if hit.secret == "s"]) == MOST
    assert (found.countless, found.hits[-1].secret) == (("s",), "t")


BODY = textwrap.wrap(base64.b64encode(hashlib.shake_256(b"a key").digest(1216)).decode(), 64)
LINES = "\n".join(BODY)
KEY = f"-----BEGIN PRIVATE KEY-----\n{LINES}\n-----END PRIVATE KEY-----\n"
CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{LINES[::-1]}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("given", [KEY, KEY.replace("\n", "\r\n"), KEY.replace("\n", "\\n"), CERTIFICATE + KEY])
@pytest.mark.parametrize(
    "written",
    [
        KEY.encode(),
        KEY.replace("\n", "\r\n").encode(),
        json.dumps(KEY).encode(),
        quote(KEY).encode(),
        textwrap.indent(KEY, "    ").encode(),
        base64.b64encode(textwrap.indent(KEY, "  ").encode()),
        base64.encodebytes(KEY.encode()),
        KEY.encode("utf-16-le"),
        # The rest of a block that was used again.
        KEY[700:].encode(),
    ],
    ids=["as it is", "DOS", "JSON", "URL", "indented", "base64 indented", "base64", "UTF-16", "a part"],
)
def test_a_key_of_many_lines(tmp_path: Path, given: str, written: bytes) -> None:
    assert found_in(tmp_path / "raw", b"x" * 50 + written, given)


def test_what_many_keys_have_is_not_found(tmp_path: Path) -> None:
    other = KEY.replace(LINES, LINES[48:-1][::-1])
    written = other.encode() + base64.b64encode(other.encode()) + CERTIFICATE.encode()
    assert found_in(tmp_path / "raw", written, KEY, CERTIFICATE + KEY) == []


def test_a_key_within_another_text(tmp_path: Path) -> None:
    short = KEY.replace(LINES, BODY[3])
    account = json.dumps({"type": "service_account", "private_key": short, "auth_uri": "https://accounts.example.com"})
    for written in (account, json.dumps(json.loads(account), indent=4), textwrap.indent(short, "\t")):
        assert found_in(tmp_path / "raw", written.encode(), account), written
    assert found_in(tmp_path / "raw", account.replace(BODY[3], BODY[4]).encode(), account) == []


def test_a_long_line_is_found_by_its_parts(tmp_path: Path) -> None:
    token = LINES.replace("\n", "")
    for part in (token[:900], token[350:1250], token[-900:]):
        assert found_in(tmp_path / "raw", b"x" * 50 + part.encode(), token)
    assert len(needles(token)) < 40


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be searched: No such file"):
        search(str(tmp_path / "none"), [Secret("s", "hunter2-abc")])
    assert search(str(tmp_path / "none"), []).hits == ()
