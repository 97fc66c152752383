# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.goldsmith.kvm.plugins.filter.image_outputs import image_outputs
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError, GoldsmithError
from ansible_collections.goldsmith.kvm.plugins.module_utils.disk.formats import format_argument_spec, target_from
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize_checks import (
    checks_argument_spec,
    checks_from,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.inline_vault import decrypted
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.validated import validated

DOCUMENTATION = r"""
name: image_problems
short_description: What is wrong with images that the role golden_image is to make
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Looks at the steps, the checks, the formats and the number of images to keep of entries of C(golden_image_images),
    or of the role's variables, before anything is fetched.
options:
  _input:
    description:
      - By what is to stand before the names of its options in a message, each entry. What one does not name is not
        looked at.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ {'web.': {'keep': -3}} | goldsmith.kvm.image_problems }}"
"""

RETURN = r"""
_value:
  description: Sentences, one for each option that cannot be as it is, with what to do.
  type: list
  elements: str
  sample: ["web.keep is -3. Give a number from 0 on; 0 keeps all."]
"""

_ANYWHERE = "NAME-SERIAL-FINGERPRINT.qcow2"


def image_problems(images: t.Any) -> list[str]:
    """One text for each wrong option; see DOCUMENTATION."""
    if not isinstance(images, Mapping) or not all(isinstance(image, Mapping) for image in images.values()):
        raise AnsibleFilterError("image_problems takes a dictionary of dictionaries. Write it as {'web.': {'keep': 3}}")
    return [problem for prefix, image in images.items() for problem in _problems(image, str(prefix))]


def _problems(image: Mapping[str, t.Any], prefix: str) -> Iterator[str]:
    for option, check in _CHECKS.items():
        if image.get(option) is not None:
            try:
                check(option, decrypted(image[option]))
            except (GoldsmithError, AnsibleFilterError) as error:
                said = str(error)
                yield prefix + (said if said.startswith(option) else f"{option}: {said}")


def _steps(dummy: str, given: t.Any) -> None:
    parse_steps(given)


def _evidence(option: str, given: t.Any) -> None:
    checks_from({**validated(checks_argument_spec(), {option: given}), "accel": "auto"})


def _formats(option: str, given: t.Any) -> None:
    for index, wanted in enumerate(image_outputs(given, _ANYWHERE)):
        where = f"{option}[{index}]"
        del wanted["dest"]
        try:
            target_from(validated(format_argument_spec(), wanted), where)
        except BadRequestError as error:
            if error.cause.startswith(where):
                raise
            raise BadRequestError(f"{where}: {error.cause}", error.way_out) from error


def _keep(option: str, given: t.Any) -> None:
    count = validated({option: {"type": "int"}}, {option: given})[option]
    if count < 0:
        raise BadRequestError(f"{option} is {count}", "Give a number from 0 on; 0 keeps all")


_CHECKS: dict[str, t.Callable[[str, t.Any], None]] = {
    "steps": _steps,
    **dict.fromkeys(checks_argument_spec(), _evidence),
    "formats": _formats,
    "keep": _keep,
}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"image_problems": image_problems}
