# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML that users wrote as text. The controller has a parser for it; targets need not have one."""

from __future__ import annotations

import re
import typing as t

import yaml

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.seed import NotYamlError

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
# Single characters, and the names of YAML's own tokens. Whatever else is quoted are words of the text.
_HARMLESS = re.compile(r"""['"](?:.|\\.|<[a-z ]+>)?['"]""")


def parse_yaml(text: str) -> t.Any:
    """What a text of YAML says; NotYamlError names the place and quotes nothing.

    It has no cause, which would be shown beside it: PyYAML's errors quote the line.
    """
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _QUOTED.sub(_without_words, error.problem or error.context or "it cannot be read")
        raise NotYamlError(problem, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except yaml.reader.ReaderError as error:
        lines = text[: error.position].split("\n")
        problem = f"the character U+{error.character:04X} is not allowed"
        raise NotYamlError(problem, len(lines), len(lines[-1]) + 1) from None
    except (ValueError, RecursionError, OverflowError):
        # A date such as 2026-13-01, or lists in lists in lists.
        raise NotYamlError("a value in it, perhaps a date, is none", 1, 1) from None


def _without_words(found: re.Match[str]) -> str:
    return found[0] if _HARMLESS.fullmatch(found[0]) else "…"
