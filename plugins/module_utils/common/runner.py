# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an AnsibleModule to a service and back."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Collection, Mapping

from ansible.module_utils.basic import AnsibleModule

from .errors import GoldsmithError
from .module_host import ModuleHost

_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def run_module(
    module: AnsibleModule,
    service: Callable[[ModuleHost, Mapping[str, t.Any], bool], dict[str, t.Any]],
    *,
    free_form: Collection[str] = (),
) -> None:
    """Call ``service(host, params, check_mode)`` and end the module with what it returns.

    A :class:`GoldsmithError` becomes ``fail_json``; whatever else is raised is a bug and keeps its traceback.

    ``free_form``: the options of the module with ``no_log``, where they take documents. Ansible would mask each word
    of a document, a ``0`` even, wherever it stands in the result; this way only the options themselves are hidden.
    """
    hidden: dict[str, t.Any] = {}
    if free_form:
        module.no_log_values.clear()
        given = {option: _HIDDEN for option in free_form if module.params[option] is not None}
        hidden = {"invocation": {"module_args": {**module.params, **given}}}
    try:
        result = service(ModuleHost(module), module.params, module.check_mode)
    except GoldsmithError as error:
        module.fail_json(msg=str(error), **hidden, **error.details)
    module.exit_json(**hidden, **result)
