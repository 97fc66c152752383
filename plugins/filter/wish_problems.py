# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_tune import wishes_option
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.inline_vault import decrypted
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.validated import validated

DOCUMENTATION = r"""
name: wish_problems
short_description: What is wrong with wishes for domains that the role domain_tuning gathers
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Looks at the names and types of the options of wishes for M(goldsmith.kvm.domain_tune), before anything is done on
    the host, and says in which variable they stand.
options:
  _input:
    description:
      - The lists of wishes by the names of the variables that hold them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ {'domain_tuning_wishes': [{'domains': ['db-*'], 'profile': 'databse'}]} | goldsmith.kvm.wish_problems }}"
"""

RETURN = r"""
_value:
  description: Sentences, one for each wish that cannot be as it is.
  type: list
  elements: str
  sample:
    - >-
      domain_tuning_wishes[0]: value of profile must be one of: database, realtime, throughput, density, got: databse
      found in wishes.
"""


def wish_problems(lists: t.Any) -> list[str]:
    """One text for each wrong wish; see DOCUMENTATION."""
    if not isinstance(lists, Mapping):
        raise AnsibleFilterError("wish_problems takes a dictionary of lists. Write it as {'domain_tuning_wishes': []}")
    return [problem for name, wishes in lists.items() for problem in _problems(str(name), wishes)]


def _problems(name: str, wishes: t.Any) -> Iterator[str]:
    if not isinstance(wishes, (list, tuple)):
        yield f"{name} is not a list. Write each wish as an entry, with a dash in front; [] is none at all."
        return
    for index, wish in enumerate(wishes):
        where = f"{name}[{index}]"
        if not isinstance(wish, Mapping):
            yield f"{where} is not a dictionary. Say in it which domains it is for, and what they are to be like."
            continue
        try:
            validated({"wishes": wishes_option()}, {"wishes": [decrypted(wish)]})
        except BadRequestError as error:
            yield f"{where}: {error.cause}."


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"wish_problems": wish_problems}
