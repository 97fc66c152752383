# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python that has what a module needs: the distribution has bindings of libvirt for its own Python alone."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

_SYSTEM = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")


def require_libraries(module: AnsibleModule, packages: Mapping[str, str]) -> None:
    """Go on only where every library can be imported: here, or started anew with the system's own Python.

    Ends the module with an error where no Python has them all.

    :arg packages: the distribution's package by the name that is imported.
    """
    missing = [name for name in packages if not _has(name)]
    if not missing:
        return
    if not has_respawned():
        # It tries `import NAMES`, so that one question is enough for all of them.
        interpreter = probe_interpreters_for_module(list(_SYSTEM), ", ".join(packages))
        if interpreter is not None:
            respawn_module(interpreter)
    names = " and ".join(missing)
    module.fail_json(
        msg=f"{sys.executable} cannot import {names}, and the system's Python has not all that is needed either. "
        f"Install {' '.join(packages[name] for name in missing)} on the target, or set ansible_python_interpreter to "
        "a Python that has them."
    )


def _has(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
