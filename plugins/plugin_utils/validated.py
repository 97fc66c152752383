# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options checked on the controller as the module will check them."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError


def validated(spec: dict[str, t.Any], given: dict[str, t.Any]) -> dict[str, t.Any]:
    """The options with their types and defaults. Raises BadRequestError where they are none of ``spec``."""
    result = ArgumentSpecValidator(spec).validate(given)
    if result.error_messages:
        said = (("there is no " if isinstance(error, UnsupportedError) else "") + error.msg for error in result.errors)
        raise BadRequestError("; ".join(said).rstrip("."))
    return dict(result.validated_parameters)
