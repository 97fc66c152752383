# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an AnsibleModule to a service and back."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ansible.module_utils.basic import AnsibleModule

from .errors import GoldsmithError
from .module_host import ModuleHost


def run_module(
    module: AnsibleModule, service: Callable[[ModuleHost, Mapping[str, t.Any], bool], dict[str, t.Any]]
) -> None:
    """Call ``service(host, params, check_mode)`` and end the module with what it returns.

    A :class:`GoldsmithError` becomes ``fail_json``; whatever else is raised is a bug and keeps its traceback.
    """
    try:
        result = service(ModuleHost(module), module.params, module.check_mode)
    except GoldsmithError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)
