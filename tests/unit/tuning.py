# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What domain_tune and domain_tuning_info do, without a module around it: options are checked as the modules do."""

from __future__ import annotations

import json
import typing as t

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_tune import tune_argument_spec, tune_domains
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.domain_tuning_info import (
    audit_domains,
    info_argument_spec,
)

from .local_host import LocalHost


def tuned(
    host: LocalHost, uri: str, domains: list[str], tuning: str, *, check: bool = False, **options: t.Any
) -> dict[str, t.Any]:
    """What domain_tune returns for one wish, in YAML and without ``domains``; backups go into the host's tmpdir."""
    wishes = [{"domains": domains, **yaml.safe_load(tuning)}]
    given = {"uri": uri, "wishes": wishes, "backup_dir": f"{host.tmpdir}/backups", **options}
    return tune_domains(host, checked(tune_argument_spec(), given), check)


def restored(
    host: LocalHost, uri: str, domains: list[str] | None, *, check: bool = False, **options: t.Any
) -> dict[str, t.Any]:
    """What domain_tune returns when it undoes the last change."""
    given = {"uri": uri, "state": "restored", "domains": domains, "backup_dir": f"{host.tmpdir}/backups", **options}
    return tune_domains(host, checked(tune_argument_spec(), given), check)


def audited(host: LocalHost, uri: str, **options: t.Any) -> dict[str, t.Any]:
    """The domains that domain_tuning_info returns."""
    return dict(audit_domains(host, checked(info_argument_spec(), {"uri": uri, **options}), False)["domains"])


def checked(spec: dict[str, t.Any], given: dict[str, t.Any]) -> dict[str, t.Any]:
    # The validator writes into what it is given, which may have one part in two places.
    validated = ArgumentSpecValidator(spec).validate(json.loads(json.dumps(given)))
    if validated.error_messages:
        raise AssertionError(validated.error_messages)
    return dict(validated.validated_parameters)
