# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit says: one line for each rule, and what it found."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .model import ALWAYS, Allowance, Context, Finding, Rule

PASSED = "passed"
ALLOWED = "allowed"
"""There are findings, all of them meant."""
TOLD = "told"
"""There are findings, which an image that is not generalised may have."""
FAILED = "failed"

_SHOWN = 20
"""Findings of one rule that a report shows; a hundred log files say no more than twenty."""


@dataclass(frozen=True)
class Line:
    """What came of one rule."""

    rule: Rule
    status: str
    findings: tuple[Finding, ...] = ()
    """That count, or are told of."""
    allowed: tuple[tuple[Finding, str], ...] = ()
    """Findings that are meant, with the reason."""


@dataclass(frozen=True)
class Report:
    """What an audit came to."""

    lines: tuple[Line, ...]
    unused: tuple[Allowance, ...] = ()
    """Exceptions that nothing needed: the image may have got better since."""
    not_searched: tuple[str, ...] = ()
    """Labels of secrets that are too short to be searched for."""

    @property
    def failed(self) -> bool:
        return any(line.status == FAILED for line in self.lines)

    def as_dict(self) -> dict[str, t.Any]:
        """As JSON takes it, for results and records."""
        return {
            "passed": not self.failed,
            "rules": [_described(line) for line in self.lines],
            "unused_exceptions": [_exception(allowance) for allowance in self.unused],
            "not_searched": [printable(label) for label in self.not_searched],
        }

    def text(self) -> str:
        """For people, a line for each rule."""
        lines = []
        for line in self.lines:
            count = len(line.findings) or len(line.allowed)
            lines.append(f"{line.status:8}{line.rule.name}{f' ({count})' if count else ''}")
            lines += [f"          {said}" for said in _shown(line.findings)]
            lines += [
                f"          {_said(finding)} (allowed: {printable(reason)})"
                for finding, reason in line.allowed[:_SHOWN]
            ]
        lines += [f"unused  exception for {found.rule}: {printable(', '.join(found.paths))}" for found in self.unused]
        lines += [f"not searched for, because it is too short: {printable(label)}" for label in self.not_searched]
        return "".join(f"{line}\n" for line in lines)

    def summary(self) -> tuple[str, str]:
        """Cause and way out of a failed audit, for an error."""
        failed = [line for line in self.lines if line.status == FAILED]
        causes = [f"{line.rule.name}: {'; '.join(_shown(line.findings, 3))}" for line in failed]
        ways = [f"{line.rule.name}: {line.rule.way_out}" for line in failed]
        return f"the image does not pass the audit. {'. '.join(causes)}", ". ".join(ways)


def audit(context: Context, rules: Iterable[Rule], not_searched: Sequence[str] = ()) -> Report:
    """Carry out the rules. Findings are no error: :attr:`Report.failed` tells of them."""
    used: set[Allowance] = set()
    lines = tuple(_line(context, rule, used) for rule in rules)
    unused = tuple(allowance for allowance in context.expected.allow if allowance not in used)
    return Report(lines, unused, tuple(not_searched))


def _line(context: Context, rule: Rule, used: set[Allowance]) -> Line:
    findings: list[Finding] = []
    allowed: list[tuple[Finding, str]] = []
    for finding in rule.check(context):
        reason = _reason(context, rule, finding, used)
        if reason is None:
            findings.append(finding)
        else:
            allowed.append((finding, reason))
    if not findings:
        status = ALLOWED if allowed else PASSED
    else:
        status = FAILED if rule.scope == ALWAYS or context.expected.generalised else TOLD
    return Line(rule, status, tuple(findings), tuple(allowed))


def _reason(context: Context, rule: Rule, finding: Finding, used: set[Allowance]) -> str | None:
    """Why a finding is meant, or None."""
    for allowance in context.expected.allow:
        if allowance.rule == rule.name and any(fnmatchcase(finding.path, pattern) for pattern in allowance.paths):
            used.add(allowance)
            return allowance.reason
    return "kept by the step generalise" if rule.name in context.expected.kept else None


def _described(line: Line) -> dict[str, t.Any]:
    described: dict[str, t.Any] = {
        "rule": line.rule.name,
        "status": line.status,
        "findings": [_finding(finding) for finding in line.findings[:_SHOWN]],
        "allowed": [{**_finding(finding), "reason": printable(reason)} for finding, reason in line.allowed[:_SHOWN]],
        "count": len(line.findings),
    }
    return {**described, "way_out": line.rule.way_out} if line.status == FAILED else described


def _finding(finding: Finding) -> dict[str, str]:
    return {"path": printable(finding.path), "detail": printable(finding.detail)}


def _exception(allowance: Allowance) -> dict[str, t.Any]:
    paths = [printable(path) for path in allowance.paths]
    return {"rule": allowance.rule, "paths": paths, "reason": printable(allowance.reason)}


def _shown(findings: Sequence[Finding], limit: int = _SHOWN) -> list[str]:
    more = [f"and {len(findings) - limit} more"] if len(findings) > limit else []
    return [*(_said(finding) for finding in findings[:limit]), *more]


def _said(finding: Finding) -> str:
    return printable(f"{finding.path} {finding.detail}".strip())


def printable(text: str) -> str:
    """Names of files may be any bytes, and a user's text too; what a terminal would act upon is written out."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
