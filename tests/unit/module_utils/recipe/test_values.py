# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe import values

Check = Callable[[str, str], str]


@pytest.mark.parametrize(
    ("check", "value", "canonical"),
    [
        (values.absolute_path, "/", "/"),
        (values.absolute_path, "//a///b/./c//", "/a/b/c/"),
        (values.absolute_path, "/a b/-x/it's/ä:", "/a b/-x/it's/ä:"),
        (values.file_path, "//etc//motd", "/etc/motd"),
        (values.existing_path, "/a/", "/a"),
        (values.existing_path, "/..a/b..", "/..a/b.."),
        (values.path_pattern, "/var/log/*.{gz,old}", "/var/log/*.{gz,old}"),
        (values.path_pattern, "/var/log/*/", "/var/log/*/"),
        (values.single_line, " a ", " a "),
        (values.text_line, "", ""),
        (values.text_line, " \t-", " \t-"),
        (values.account_name, "www-data", "www-data"),
        (values.account_or_id, "_x", "_x"),
        (values.account_or_id, "0033", "33"),
        (values.password_hash, "$6$a$b./", "$6$a$b./"),
    ],
)
def test_canonical_spellings(check: Check, value: str, canonical: str) -> None:
    assert check("option", value) == canonical


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        (values.absolute_path, ["", " ", "a", "./a", "~/a", "-/a", "/a/../b", "/..", "/a\nb", "/a\rb", "/a\0b"]),
        (values.file_path, ["/", "/a/", "a", "/a/.."]),
        (values.existing_path, ["/", "//", "/.", "/./", ""]),
        (values.path_pattern, ["/", "{/a,/b}", "*", "/a/../*", "/a\n*"]),
        (values.single_line, ["", " ", "\n", "a\n", "a\rb", "a\0"]),
        (values.text_line, ["\n", "a\n", "a\rb", "a\0"]),
        (values.account_name, ["", "-a", "A", "1", "a b", "a:b", "a\n", "ä", "a" * 33, "$a"]),
        (values.account_or_id, ["", "-1", "1a", "+1", "1.0", "٣", "1\n", "12345678901"]),
        (values.password_hash, ["", "password", "$6$", "$6$a b", "$6$a:b", "$6$a\nb", "x!", "**"]),
    ],
)
def test_what_is_refused(check: Check, bad: list[str]) -> None:
    for value in bad:
        with pytest.raises(BadRequestError) as caught:
            check("the_option", value)
        assert "the_option" in caught.value.cause


def test_a_password_hash_that_is_refused_is_not_shown() -> None:
    with pytest.raises(BadRequestError) as caught:
        values.password_hash("option", "hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "octal", "permissions"),
    [
        ("644", "0644", "0644"),
        ("4755", "4755", "4755"),
        ("0000", "0000", "0000"),
        ("u=rwX,go=rX", None, "u=rwX,go=rX"),
        ("a-w", None, "a-w"),
        ("+x", None, "+x"),
        ("u=g,o=", None, "u=g,o="),
        *(
            (bad, None, None)
            for bad in [420, 0o644, None, True, "", "0999", "64", "-R", "u", "rw-r--r--", "u=x;id", "a=\n"]
        ),
    ],
)
def test_modes(value: t.Any, octal: str | None, permissions: str | None) -> None:
    for check, expected in ((values.file_mode, octal), (values.file_permissions, permissions)):
        if expected is None:
            with pytest.raises(BadRequestError):
                check(value)
        else:
            assert check(value) == expected


def test_a_secret_has_to_be_meant_to_stay_in_the_image() -> None:
    values.require_in_image({"in_image": True}, "the key")
    with pytest.raises(BadRequestError, match="the key would stay in the image") as caught:
        values.require_in_image({"in_image": False}, "the key")
    assert "in_image: true" in (caught.value.way_out or "")
